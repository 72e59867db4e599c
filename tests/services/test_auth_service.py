"""The AuthService answers in the words of the contract, over a real store."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from clarity.v1.auth_service_pb2 import (
    GetAccountRequest,
    RefreshSessionRequest,
    SignInRequest,
    SignOutRequest,
    SignUpRequest,
)
from clarity_server.adapters.local.hashing import Cost, Hashing
from clarity_server.domain.accounts import Identity
from clarity_server.domain.errors import CredentialsWrong, InvalidInput, RefreshTokenInvalid
from clarity_server.domain.tokens import public_keys, verify_access
from clarity_server.services.auth_service import AuthService, Context
from clarity_server.services.caller import CALLER
from clarity_server.services.offload import Offload
from tests.contracts.identity_world import EMAIL, NOW, PASSWORD, IdentityWorld, identity_world

SLOW = Cost(memory_kib=19 * 1024, passes=8, lanes=1)
NO_CONTEXT = cast("Context", None)  # none of the methods looks at it: the caller comes from CALLER


@pytest.fixture
def world(tmp_path: Path) -> Iterator[IdentityWorld]:
    with identity_world(tmp_path) as world:
        yield world


@pytest.fixture
def service(world: IdentityWorld) -> Iterator[AuthService]:
    offload, password_offload = Offload(2), Offload(2)
    yield AuthService(world.verbs(), offload, password_offload)
    offload.close()
    password_offload.close()


async def sign_up(service: AuthService, email: str = EMAIL, request_id: str = "") -> str:
    request = SignUpRequest(email=email, password=PASSWORD, display_name="Owl", request_id=request_id)
    return (await service.SignUp(request, NO_CONTEXT)).account.account_id


async def test_sign_up_answers_the_account_as_the_contract_shows_it(service: AuthService) -> None:
    request = SignUpRequest(email=f" {EMAIL} ", password=PASSWORD, display_name="Owl", request_id="r")
    account = (await service.SignUp(request, NO_CONTEXT)).account
    assert (account.email, account.display_name, len(account.account_id)) == (EMAIL, "Owl", 26)
    assert account.create_time.ToMicroseconds() == NOW * 1_000_000


async def test_a_repeat_of_sign_up_answers_the_same_bytes(service: AuthService) -> None:
    request = SignUpRequest(email=EMAIL, password=PASSWORD, display_name="Owl", request_id="r")
    assert await service.SignUp(request, NO_CONTEXT) == await service.SignUp(request, NO_CONTEXT)


async def test_sign_in_answers_a_session_whose_access_token_names_it(
    service: AuthService, world: IdentityWorld
) -> None:
    account_id = await sign_up(service)
    session = (await service.SignIn(SignInRequest(email=EMAIL, password=PASSWORD), NO_CONTEXT)).session
    caller = verify_access(session.access_token, public_keys(world.keys.jwks()), NOW)
    assert (caller.account_id, caller.session_id) == (account_id, session.session_id)
    assert session.account_id == account_id
    assert session.access_expire_time.ToSeconds() == caller.expire_time == int(NOW) + 600
    assert session.refresh_expire_time.ToMicroseconds() == (NOW + 30 * 24 * 3600) * 1_000_000


async def test_a_repeat_of_sign_in_answers_the_same_bytes(service: AuthService) -> None:
    await sign_up(service)
    request = SignInRequest(email=EMAIL, password=PASSWORD, request_id="r")
    first, second = await service.SignIn(request, NO_CONTEXT), await service.SignIn(request, NO_CONTEXT)
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)


async def test_refresh_answers_the_same_session_and_repeats_its_answer(service: AuthService) -> None:
    await sign_up(service)
    session = (await service.SignIn(SignInRequest(email=EMAIL, password=PASSWORD), NO_CONTEXT)).session
    request = RefreshSessionRequest(refresh_token=session.refresh_token, request_id="r")
    first, second = await service.RefreshSession(request, NO_CONTEXT), await service.RefreshSession(request, NO_CONTEXT)
    assert first == second
    assert first.session.session_id == session.session_id
    assert first.session.refresh_token != session.refresh_token


async def test_sign_out_ends_the_callers_session_and_no_other(service: AuthService, world: IdentityWorld) -> None:
    await sign_up(service)
    request = SignInRequest(email=EMAIL, password=PASSWORD)
    mine, other = [(await service.SignIn(request, NO_CONTEXT)).session for _ in range(2)]
    CALLER.set(Identity(mine.account_id, mine.session_id, NOW))
    await service.SignOut(SignOutRequest(), NO_CONTEXT)
    assert world.ended == [mine.session_id]
    with pytest.raises(RefreshTokenInvalid):
        await service.RefreshSession(RefreshSessionRequest(refresh_token=mine.refresh_token), NO_CONTEXT)
    refreshed = await service.RefreshSession(RefreshSessionRequest(refresh_token=other.refresh_token), NO_CONTEXT)
    assert refreshed.session.session_id == other.session_id


async def test_get_account_answers_the_caller_and_nobody_else(service: AuthService) -> None:
    owl, lark = await sign_up(service), await sign_up(service, "lark@example.org")
    for account_id in (owl, lark):
        CALLER.set(Identity(account_id, "s" * 26, NOW))
        assert (await service.GetAccount(GetAccountRequest(), NO_CONTEXT)).account.account_id == account_id


async def test_those_who_wait_for_a_hash_keep_no_other_call_waiting(world: IdentityWorld) -> None:
    slow, offload, password_offload = Hashing(SLOW), Offload(1), Offload(1)
    service = AuthService(world.verbs(hashing=slow), offload, password_offload)
    CALLER.set(Identity(await sign_up(service), "s" * 26, NOW))
    request = SignInRequest(email=EMAIL, password=PASSWORD)
    waiting = [asyncio.ensure_future(service.SignIn(request, NO_CONTEXT)) for _ in range(4)]
    await service.GetAccount(GetAccountRequest(), NO_CONTEXT)
    assert not waiting[-1].done()
    await asyncio.gather(*waiting)
    for pool in (slow, offload, password_offload):
        pool.close()


async def test_a_request_that_breaks_rules_never_reaches_the_verbs(service: AuthService, world: IdentityWorld) -> None:
    with pytest.raises(InvalidInput) as invalid:
        await service.SignUp(SignUpRequest(email=EMAIL, password="weak", request_id="r"), NO_CONTEXT)
    assert set(invalid.value.violations) == {"password"}
    with pytest.raises(InvalidInput):
        await service.SignIn(SignInRequest(), NO_CONTEXT)
    with pytest.raises(InvalidInput):
        await service.RefreshSession(RefreshSessionRequest(), NO_CONTEXT)
    assert world.accounts.by_email(EMAIL) is None


async def test_an_account_is_found_by_sign_in_with_blanks_around_the_address(service: AuthService) -> None:
    await sign_up(service)
    request = SignInRequest(email=f"\t{EMAIL.upper()} ", password=PASSWORD)
    assert (await service.SignIn(request, NO_CONTEXT)).session.session_id


async def test_wrong_credentials_are_refused_with_one_text(service: AuthService) -> None:
    await sign_up(service)
    texts = set()
    for email, password in ((EMAIL, "Night-0wL"), ("lark@example.org", PASSWORD)):
        with pytest.raises(CredentialsWrong) as refused:
            await service.SignIn(SignInRequest(email=email, password=password), NO_CONTEXT)
        texts.add(str(refused.value))
    assert len(texts) == 1
