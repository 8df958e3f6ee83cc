"""The ASGI application that a server runs: ``uvicorn readiness.asgi:application``."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "readiness.settings")

application = get_asgi_application()
