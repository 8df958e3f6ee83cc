"""The endpoints that a client of the AI service calls, under ``/v1``."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from readiness.simulator.delivery import Delivery
from readiness.simulator.faults import Fault, parse_fault_header
from readiness.simulator.service import Simulator
from readiness.simulator.wire import ApiError, ChatRequest, parse_chat_request, read_body


class OpenAiApi:
    """``POST /v1/chat/completions`` and ``GET /v1/models``."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    async def models(self, request: Request) -> Response:
        """The models that a key may use."""
        self._key(request)
        created = int(self._simulator.clock.unix())
        models = [
            {"id": model, "object": "model", "created": created, "owned_by": "simulator"}
            for model in self._simulator.models
        ]
        return JSONResponse({"object": "list", "data": models})

    async def chat(self, request: Request) -> Response:
        """Answer a conversation, whole or as a stream."""
        try:
            key, chat, fault = await self._read(request)
        except ApiError as error:
            self._simulator.ledger.reject(error.status)
            raise
        return Delivery(self._simulator, self._simulator.admit(chat, key, request.state.request_id, fault))

    async def _read(self, request: Request) -> tuple[str, ChatRequest, Fault | None]:
        key = self._key(request)
        chat = parse_chat_request(await read_body(request))
        if chat.model not in self._simulator.models:
            raise ApiError(
                404,
                "The model does not exist or this key may not use it. GET /v1/models lists those that do.",
                code="model_not_found",
                param="model",
            )
        header = request.headers.get("x-sim-fault")
        return key, chat, parse_fault_header(header) if header else None

    def _key(self, request: Request) -> str:
        """The API key of a request. It is never repeated in an answer, whether right or wrong."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            message = "You didn't provide an API key. Send it in the header Authorization: Bearer YOUR_KEY."
            raise ApiError(401, message, code="missing_api_key")
        if not key.strip().startswith(self._simulator.key_prefix):
            message = f"Incorrect API key provided. Keys here start with {self._simulator.key_prefix!r}."
            raise ApiError(401, message, code="invalid_api_key")
        return key.strip()
