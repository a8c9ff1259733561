"""Image Storage Service: images in S3, what is known about them in DynamoDB, served over HTTP.

Importing this package loads nothing; see ARCHITECTURE.md for the layers inside it.
"""

__version__ = "1.0.0"
