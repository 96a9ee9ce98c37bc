"""Errors as clients see them: {"error": {"code", "message", "request_id"}}."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ragservices.common.context import current_request_id


class ApiError(HTTPException):
    """An answer other than success. `code` is for programs, `message` for people: what is wrong, how to mend
    it."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: int | None = None) -> None:
        headers = {"Retry-After": str(retry_after)} if retry_after is not None else None
        super().__init__(status, message, headers)
        self.code = code
        self.message = message


def error_response(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The one shape of every error."""
    body = {"error": {"code": code, "message": message, "request_id": current_request_id()}}
    return JSONResponse(body, status_code=status, headers=headers)


def install_error_handlers(app: FastAPI) -> None:
    """Gives every error of the application the common shape."""
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)


async def _api_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    request.scope["ragservices.error_code"] = error.code
    return error_response(error.status_code, error.code, error.message, error.headers)


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    if isinstance(error.body, bytes):  # it is only parsed when it says that it is JSON
        given = request.headers.get("content-type")
        return error_response(
            400,
            "invalid_request",
            "the body must be JSON, and the header must say so: send Content-Type: application/json"
            + (f" instead of {given}" if given else ""),
        )
    return error_response(400, "invalid_request", "; ".join(map(_problem, error.errors())))


def _problem(problem: Mapping[str, Any]) -> str:
    """One problem of a request, the field first."""
    if problem["type"] == "json_invalid":
        return f"the body is not valid JSON: {problem['ctx']['error']} at character {problem['loc'][-1]}"
    where = ".".join(str(part) for part in problem["loc"][1:])  # the first part is body, path or query
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    message = f"{request.method} {request.url.path}: {error.detail}"
    return error_response(error.status_code, code, message, error.headers)
