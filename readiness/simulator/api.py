"""The endpoints that a client of the AI service calls, under ``/v1``, in both providers' dialects."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from readiness.simulator.anthropic_wire import ANTHROPIC
from readiness.simulator.delivery import Delivery, Hangup
from readiness.simulator.faults import parse_fault_header
from readiness.simulator.openai_wire import OPENAI
from readiness.simulator.service import Call, OutageError, Simulator
from readiness.simulator.wire import ApiError, Dialect, read_body


def dialect_of(request: Request) -> Dialect:
    """Whom the client takes this service for."""
    is_anthropic = request.url.path == "/v1/messages" or "anthropic-version" in request.headers
    return ANTHROPIC if is_anthropic else OPENAI


class ServiceApi:
    """``POST /v1/chat/completions``, ``POST /v1/messages`` and ``GET /v1/models``."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    async def models(self, request: Request) -> Response:
        """The models that a key may use."""
        dialect = dialect_of(request)
        self._key(request, dialect)
        return JSONResponse(dialect.models(self._simulator.models, self._simulator.clock.unix()))

    async def chat(self, request: Request) -> Response:
        """Answer a conversation as OpenAI does, whole or as a stream."""
        return await self._serve(request, OPENAI)

    async def messages(self, request: Request) -> Response:
        """Answer a conversation as Anthropic does, whole or as a stream."""
        return await self._serve(request, ANTHROPIC)

    async def _serve(self, request: Request, dialect: Dialect) -> Response:
        try:
            call = await self._read(request, dialect)
        except ApiError as error:
            self._simulator.ledger.reject(error.status)
            raise
        await self._simulator.travel(call.chat.model)
        try:
            return Delivery(self._simulator, self._simulator.admit(call))
        except OutageError:
            return Hangup()

    async def _read(self, request: Request, dialect: Dialect) -> Call:
        key = self._key(request, dialect)
        chat, prefix = dialect.read(await read_body(request))
        if chat.model not in self._simulator.models:
            raise ApiError(
                404,
                "The model does not exist or this key may not use it. GET /v1/models lists those that do.",
                code="model_not_found",
                param="model",
            )
        header = request.headers.get("x-sim-fault")
        fault = parse_fault_header(header) if header else None
        return Call(key, chat, prefix, fault, request.state.request_id, dialect)

    def _key(self, request: Request, dialect: Dialect) -> str:
        """The API key of a request. It is never repeated in an answer, whether right or wrong."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        key = key.strip() if scheme.lower() == "bearer" else ""
        if dialect.key_header is not None:
            key = request.headers.get(dialect.key_header, "").strip() or key
        if not key:
            message = "You didn't provide an API key. Send it in the header Authorization: Bearer YOUR_KEY."
            raise ApiError(401, message, code="missing_api_key")
        if not key.startswith(self._simulator.key_prefix):
            message = f"Incorrect API key provided. Keys here start with {self._simulator.key_prefix!r}."
            raise ApiError(401, message, code="invalid_api_key")
        return key
