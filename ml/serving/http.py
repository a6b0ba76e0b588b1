"""The HTTP side: `POST /recommend`, and health."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from ml.serving.broker import Unanswered
from ml.serving.requests import BODY_LIMIT, ProblemError, Recommendations, RecommendReply, RecommendRequest
from oo_contracts.problems import problem

Checks = dict[str, dict[str, Any]]
"""What each check found: `ok`, and details."""


def application(
    recommendations: Recommendations,
    checks: Callable[[], Checks],
    release: str,
    figures: Callable[[], Awaitable[str]],
) -> FastAPI:
    """The FastAPI application. `checks` are what has to be well for the process to be ready, `figures` what
    Prometheus is told.
    """
    app = FastAPI(title="oO recommender", version=release, docs_url=None, redoc_url=None)
    body = {
        "content": {"application/json": {"schema": RecommendRequest.model_json_schema()}},
        "required": True,
    }

    @app.post("/recommend", response_model=RecommendReply, openapi_extra={"requestBody": body})
    async def recommend(request: Request) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise ProblemError(problem("unsupported-media-type", "Send application/json."))
        reply = await recommendations.answer(await _body(request))
        return JSONResponse(reply.model_dump())

    @app.get("/health/live")
    async def live() -> Response:
        return _report(release, {})

    @app.get("/health/ready")
    async def ready() -> Response:
        return _report(release, checks())

    @app.get("/health")
    async def health() -> Response:
        return _report(release, checks())

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(await figures(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.exception_handler(Unanswered)
    async def unanswered(_request: Request, _error: Exception) -> Response:
        return _problem(problem("unavailable", "The store does not answer. Ask again in a moment."))

    @app.exception_handler(ProblemError)
    async def answer_problem(_request: Request, error: ProblemError) -> Response:
        return _problem(error.document)

    @app.exception_handler(404)
    @app.exception_handler(405)
    async def not_found(_request: Request, _error: Exception) -> Response:
        return _problem(
            problem(
                "not-found",
                "Known are POST /recommend and GET /health, /health/live, /health/ready, /metrics.",
            )
        )

    @app.exception_handler(Exception)
    async def internal(_request: Request, _error: Exception) -> Response:
        return _problem(problem("internal", "This is a bug here. See the log."))

    return app


async def _body(request: Request) -> bytes:
    """The body, read no further than it may be long."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            break
    return body


def _report(release: str, checks: Checks) -> Response:
    well = all(check["ok"] for check in checks.values())
    report = {"name": "recommender", "version": release, "status": "ok" if well else "unavailable"}
    return JSONResponse(
        report | {"checks": checks}, status_code=200 if well else 503, headers={"cache-control": "no-store"}
    )


def _problem(document: dict[str, object]) -> Response:
    status = document["status"]
    return JSONResponse(
        document,
        status_code=status if isinstance(status, int) else 500,
        media_type="application/problem+json",
    )
