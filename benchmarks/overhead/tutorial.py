"""The same endpoints as tutorials build them: Flask, boto3's resources and clients as they come, jsonify.

It checks nothing that it does not need, so it does far less than the service.
"""

import hashlib
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import boto3
from boto3.dynamodb.conditions import Key
from flask import Flask, Response, jsonify, request

BUCKET, TABLE = "images", "images-metadata"
URL_SECONDS = 3600


def create_app(endpoint_url: str) -> Flask:
    app = Flask(__name__)
    where: dict[str, Any] = {
        "endpoint_url": endpoint_url,
        "region_name": "us-east-1",
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }
    s3 = boto3.client("s3", **where)
    table = boto3.resource("dynamodb", **where).Table(TABLE)

    def shown(item: dict[str, Any]) -> dict[str, Any]:
        image = {name: int(value) if isinstance(value, Decimal) else value for name, value in item.items()}
        image["download_url"] = s3.generate_presigned_url(
            "get_object", Params={"Bucket": BUCKET, "Key": image["object_key"]}, ExpiresIn=URL_SECONDS
        )
        return image

    def owned(image_id: str) -> dict[str, Any]:
        item = table.get_item(Key={"image_id": image_id})["Item"]
        assert item["user_id"] == request.headers["X-User-ID"]
        return item

    @app.get("/api/v1/images")
    def list_images() -> Response:
        found = table.query(
            IndexName="user_id-created_at-index",
            KeyConditionExpression=Key("user_id").eq(request.headers["X-User-ID"]),
            ScanIndexForward=False,
            Limit=int(request.args["limit"]),
        )
        return jsonify({"images": [shown(item) for item in found["Items"]], "next": found.get("LastEvaluatedKey")})

    @app.get("/api/v1/images/<image_id>/metadata")
    def metadata(image_id: str) -> Response:
        return jsonify(shown(owned(image_id)))

    @app.get("/api/v1/images/<image_id>")
    def download(image_id: str) -> Response:
        item = owned(image_id)
        found = s3.get_object(Bucket=BUCKET, Key=item["object_key"])
        response = Response(found["Body"].iter_chunks(), mimetype=item["content_type"])
        response.content_length = found["ContentLength"]
        response.set_etag(item["sha256"])
        return response.make_conditional(request)  # type: ignore[return-value]  # which is the response itself

    @app.post("/api/v1/images/upload")
    def upload() -> tuple[Response, int]:
        data = request.files["file"].read() if request.files else request.get_data()
        return jsonify(shown(stored(data))), 201

    def stored(data: bytes | None) -> dict[str, Any]:
        image_id = str(uuid.uuid4())
        now = datetime.now(UTC).isoformat()
        item: dict[str, Any] = {
            "image_id": image_id,
            "user_id": request.headers["X-User-ID"],
            "object_key": f"images/bench/{image_id}.png",
            "filename": "beach.png",
            "content_type": "image/png",
            "created_at": now,
            "updated_at": now,
        }
        if data is not None:
            s3.put_object(Bucket=BUCKET, Key=item["object_key"], Body=data, ContentType="image/png")
            item |= {"file_size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        table.put_item(Item=item)
        return item

    @app.post("/api/v1/uploads")
    def issue() -> tuple[Response, int]:
        item = stored(None)
        url = s3.generate_presigned_url(
            "put_object",
            Params={"Bucket": BUCKET, "Key": item["object_key"], "ContentType": "image/png"},
            ExpiresIn=URL_SECONDS,
        )
        return jsonify({"image": item, "upload": {"method": "PUT", "url": url}}), 201

    return app
