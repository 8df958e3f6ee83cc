"""The endpoints that steer the simulation, under ``/sim``. No key: only this machine reaches them."""

import json
import re
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from readiness.simulator.faults import FaultPlan
from readiness.simulator.service import Simulator
from readiness.simulator.wire import ApiError, bad_request, read_body

_MODEL_ID = re.compile(r"[\w.:-]{1,100}", re.ASCII)


class AdminApi:
    """Ledger, reset, models and faults."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    async def ledger(self, request: Request) -> Response:
        """Totals per model; ``?details=1`` adds the rows of the latest requests, ``?timeline=1`` seconds."""
        details, timeline = (request.query_params.get(name) == "1" for name in ("details", "timeline"))
        ledger = self._simulator.ledger
        return JSONResponse(ledger.to_dict(self._simulator.models, details=details, timeline=timeline))

    async def reset(self, _request: Request) -> Response:
        """Begin anew, with the models and limits as they are now."""
        self._simulator.reset()
        return JSONResponse({"simulated": True})

    async def models(self, _request: Request) -> Response:
        """Every model's profile with its price and quota."""
        models = {model: profile.model_dump() for model, profile in self._simulator.models.items()}
        return JSONResponse({"simulated": True, "models": models})

    async def put_model(self, request: Request) -> Response:
        """Change a model at run time, or make one: ``like`` names the model to start from."""
        model = request.path_params["model"]
        if not _MODEL_ID.fullmatch(model):
            raise ApiError(400, "A model id has up to 100 letters, digits and . _ : - signs.", param="model")
        changes = _json_object(await read_body(request))
        origin = changes.pop("like", model)
        profile = self._simulator.models.get(origin) if isinstance(origin, str) else None
        if profile is None:
            message = "There is no such model. Name an existing one in 'like' to start from."
            raise ApiError(404, message, code="model_not_found", param="like")
        try:
            changed = profile.merged(changes)
        except ValidationError as error:
            raise bad_request(error) from None
        self._simulator.models[model] = changed
        return JSONResponse({"simulated": True, "model": model, **changed.model_dump()})

    async def account(self, _request: Request) -> Response:
        """The limits of each key above all models."""
        return JSONResponse({"simulated": True, **self._simulator.account_limits.model_dump()})

    async def put_account(self, request: Request) -> Response:
        """Change limits above all models; null removes one, what is not named stays."""
        try:
            changed = self._simulator.account_limits.merged(_json_object(await read_body(request)))
        except ValidationError as error:
            raise bad_request(error) from None
        self._simulator.account_limits = changed
        return await self.account(request)

    async def add_fault(self, request: Request) -> Response:
        """Plan a fault for the next requests or seconds."""
        try:
            plan = FaultPlan.model_validate(_json_object(await read_body(request)))
        except ValidationError as error:
            raise bad_request(error) from None
        if plan.model is not None and plan.model not in self._simulator.models:
            raise ApiError(404, "There is no such model.", code="model_not_found", param="model")
        self._simulator.faults.add(plan, self._simulator.clock.now())
        return JSONResponse({"simulated": True, **plan.model_dump()}, status_code=201)


def _json_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a body; an empty body is an empty object."""
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ApiError(400, "The body must be a JSON object.")
    return found
