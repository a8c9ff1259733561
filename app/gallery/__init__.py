"""The gallery: a page at `/` on which people use the service. It knows the API as any other client does, by HTTP."""

from app.gallery.views import gallery_blueprint

__all__ = ["gallery_blueprint"]
