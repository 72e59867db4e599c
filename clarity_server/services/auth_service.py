"""The AuthService of the contract."""

from typing import Any, TypeAlias

from grpc.aio import ServicerContext

from clarity.v1 import auth_service_pb2_grpc
from clarity.v1.auth_service_pb2 import (
    GetAccountRequest,
    GetAccountResponse,
    RefreshSessionRequest,
    RefreshSessionResponse,
    SignInRequest,
    SignInResponse,
    SignOutRequest,
    SignOutResponse,
    SignUpRequest,
    SignUpResponse,
)
from clarity_server.flows.hashing import WAITING_MAX, WORKERS
from clarity_server.flows.sign_in import SignIn
from clarity_server.services import rules, wire
from clarity_server.services.caller import caller
from clarity_server.services.offload import Offload

Context: TypeAlias = ServicerContext[Any, Any]
PASSWORD_THREADS = WORKERS + WAITING_MAX + 8  # the last few find the hashing full and answer Busy at once


class AuthService(auth_service_pb2_grpc.AuthServiceServicer):
    """Accounts and sessions."""

    def __init__(self, verbs: SignIn, offload: Offload, password_offload: Offload) -> None:
        """`password_offload` has threads of its own: those that wait for a hash must not keep other calls waiting."""
        self._verbs = verbs
        self._offload = offload
        self._password_offload = password_offload

    async def SignUp(self, request: SignUpRequest, context: Context) -> SignUpResponse:
        rules.sign_up(request)
        account = await self._password_offload(
            self._verbs.sign_up, request.email, request.password, request.display_name, request.request_id
        )
        return SignUpResponse(account=wire.account(account))

    async def SignIn(self, request: SignInRequest, context: Context) -> SignInResponse:
        rules.sign_in(request)
        tokens = await self._password_offload(self._verbs.sign_in, request.email, request.password, request.request_id)
        return SignInResponse(session=wire.session(tokens))

    async def RefreshSession(self, request: RefreshSessionRequest, context: Context) -> RefreshSessionResponse:
        rules.refresh_session(request)
        tokens = await self._offload(self._verbs.refresh, request.refresh_token, request.request_id)
        return RefreshSessionResponse(session=wire.session(tokens))

    async def SignOut(self, request: SignOutRequest, context: Context) -> SignOutResponse:
        await self._offload(self._verbs.sign_out, caller())
        return SignOutResponse()

    async def GetAccount(self, request: GetAccountRequest, context: Context) -> GetAccountResponse:
        account = self._verbs.known_account(caller())
        if account is None:
            account = await self._offload(self._verbs.account, caller())
        return GetAccountResponse(account=wire.account(account))
