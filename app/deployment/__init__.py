"""Putting the service on AWS as functions behind API Gateway: the package, and the stack around it."""
