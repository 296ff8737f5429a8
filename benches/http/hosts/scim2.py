"""scim2-server under uvicorn: its own application and its own storage in memory, whose look-ups it indexes. Its own command serves one
request a connection with a server for tests, which would be measured instead. `python scim2.py PORT`, with BENCH_TOKEN in the environment."""

import os
import sys

import uvicorn
from scim2_models import ScimProvider, UnauthorizedException
from scim2_server.applications.asgi import ASGIApplication
from scim2_server.memory import AsyncInMemoryStorage
from scim2_server.service import ScimService
from scim2_server.utils import (
    load_default_resource_types,
    load_default_schemas,
    load_default_service_provider_config,
)

EXPECTED = f"Bearer {os.environ['BENCH_TOKEN']}"


class Application(ASGIApplication):
    """Takes one token."""

    def check_auth(self, request):
        if request.header("Authorization") != EXPECTED:
            raise UnauthorizedException


provider = ScimProvider.from_discovery(
    load_default_schemas().values(),
    load_default_resource_types().values(),
    config=load_default_service_provider_config(),
)
application = Application(AsyncInMemoryStorage(), provider, ScimService(provider, secret="a secret for cursors, of a bench"))
uvicorn.run(
    application,
    host="127.0.0.1",
    port=int(sys.argv[1]),
    loop="uvloop",
    http="httptools",
    access_log=False,
    log_level="warning",
)
