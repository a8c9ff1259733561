"""What the service itself costs, when S3 and DynamoDB cost nothing: see docs/overhead.md."""
