"""A whole server in this process with people in it, and somebody who calls whatever there is in whatever way."""

import asyncio
import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import jwt
import numpy as np
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from google.type.datetime_pb2 import DateTime

from clarity.v1 import auth_service_pb2 as auth
from clarity.v1 import health_data_service_pb2 as health_data
from clarity.v1 import insight_service_pb2 as insight
from clarity.v1.access_pb2 import DataFamily
from clarity.v1.sample_pb2 import ObservationTime, Quantity, Sample
from clarity.v1.series_pb2 import Chunk, SeriesDescriptor, Source
from clarity_server.config import Config
from clarity_server.domain import series
from clarity_server.domain.access import Purpose, Role, scopes_of
from clarity_server.domain.accounts import CONSENT_VERSION, Account, Device
from clarity_server.domain.ids import new_id
from clarity_server.domain.metrics import ACTIVITY_COUNTS
from clarity_server.domain.sharing import Consent
from clarity_server.domain.tokens import ACCESS_S, ACCESS_USE, AUDIENCE, ISSUER
from clarity_server.flows.chains import Beginning, Chains
from clarity_server.flows.intake import checksum
from clarity_server.server import run
from clarity_server.server.access import SERVICES
from clarity_server.server.wiring import World

PASSWORD = "Night-0wl"
STEPS = "step_count"
DAYS = 8  # one week is whole
WITHIN_S = 60.0
PROMISED_S = 5.0  # in the contract
METHODS: Mapping[str, MethodDescriptor] = {
    f"/{service}/{method.name}": method
    for service in SERVICES
    for method in descriptor_pool.Default().FindServiceByName(service).methods
}
"""All that is served of the contract, by path."""


def settings(directory: Path) -> Config:
    """Keep everything under one directory; limits are tested elsewhere."""
    return Config(
        listen="127.0.0.1:0",
        records=f"sqlite:{directory}/clarity.db",
        blobs=f"file:{directory}/blobs",
        keys=f"file:{directory}/keys",
        models=f"file:{directory}/models",
        outbox=f"file:{directory}/outbox",
        rate_factor=0.0,
    )


@dataclass(frozen=True)
class Person:
    """Somebody with an account and three sessions: one that goes on, one for the asking, and one that is ended."""

    account_id: str
    email: str
    scopes: frozenset[str]
    session_id: str
    spare_session_id: str
    ended_session_id: str


@dataclass(frozen=True)
class Belongings:
    """The ids of what somebody has."""

    upload_id: str
    analysis_id: str
    insight_id: str
    session_id: str
    grant_id: str


@dataclass(frozen=True)
class Told:
    """What a caller is told: the reason, or OK; and all of the answer's status, without the id of the log line."""

    reason: str
    code: str = "OK"
    text: str = ""
    facts: tuple[tuple[str, str], ...] = ()


OK = Told("OK")


@dataclass
class Tokens:
    """Signs tokens: good ones, and those that are wrong in one way."""

    world: World

    def good(self, person: Person, **changed: Any) -> str:  # noqa: ANN401  claims
        """Sign what a sign-in would, with some claims changed."""
        key_id, key = self.world.keys.signing_key()
        return jwt.encode(self.claims(person, **changed), key, algorithm="EdDSA", headers={"kid": key_id})

    def claims(self, person: Person, **changed: Any) -> dict[str, Any]:  # noqa: ANN401  claims
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": person.account_id,
            "sid": person.session_id,
            "token_use": ACCESS_USE,
            "scope": " ".join(sorted(person.scopes)),
            "iat": now,
            "nbf": now,
            "exp": now + ACCESS_S,
        }
        return {**claims, **changed}

    def expired(self, person: Person) -> str:
        then = int(time.time()) - ACCESS_S
        return self.good(person, iat=then, nbf=then, exp=then + ACCESS_S)

    def unsigned(self, person: Person) -> str:
        """A token that says itself that it is not signed."""
        key_id, _ = self.world.keys.signing_key()
        head = _base64({"alg": "none", "typ": "JWT", "kid": key_id})
        return f"{head}.{_base64(self.claims(person))}."

    def by_the_public_key(self, person: Person) -> str:
        """A token signed with HS256, and with what everybody knows as the secret: PyJWT itself refuses to make one."""
        key_id, key = self.world.keys.signing_key()
        known = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        head = _base64({"alg": "HS256", "typ": "JWT", "kid": key_id})
        said = f"{head}.{_base64(self.claims(person))}"
        return f"{said}.{_spelled(hmac.digest(known, said.encode(), 'sha256'))}"

    def of_unknown_key(self, person: Person) -> str:
        """A token signed rightly, under a name that no key has."""
        _, key = self.world.keys.signing_key()
        return jwt.encode(self.claims(person), key, algorithm="EdDSA", headers={"kid": "nobody"})


def _base64(value: Mapping[str, Any]) -> str:
    return _spelled(json.dumps(value).encode())


def _spelled(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class House:
    """A server that serves, and a channel to it."""

    running: run.Running
    channel: grpc.aio.Channel

    @property
    def world(self) -> World:
        return self.running.world

    @property
    def tokens(self) -> Tokens:
        return Tokens(self.world)

    def person(self, *roles: Role, password: bool = False) -> Person:
        """Make somebody who consents to everything; a password costs a hash."""
        world, account_id, now = self.world, new_id(), time.time()
        made = datetime.fromtimestamp(now, UTC)
        email, told = f"{account_id}@example.org", frozenset({Role.MEMBER, *roles})
        world.accounts.create(Account(account_id, email, "", made, roles=told))
        world.consents.put(account_id, [Consent(purpose, True, CONSENT_VERSION, made) for purpose in Purpose])
        if password:
            world.passwords.put(account_id, PASSWORD)
        scopes = scopes_of(told)
        goes_on, spare, ended = (self._session(account_id, tuple(sorted(scopes)), now) for _ in range(3))
        return Person(account_id, email, scopes, goes_on, spare, ended)

    def _session(self, account_id: str, scopes: tuple[str, ...], now: float) -> str:
        chains = Chains(self.world.sessions, self.world.keys, lambda _: None, time.time)
        beginning = Beginning(new_id(), account_id, now, 3600.0, scopes, Device(), "192.0.2.1")
        return chains.begin(beginning).session_id

    async def told(self, method: str, messages: Sequence[bytes], token: str | None) -> Told:
        """Call, and return what the caller is told."""
        told, _ = await self._call(method, messages, token)
        return told

    async def ask(self, method: str, person: Person, *requests: Message) -> Sequence[Message]:
        """Call as somebody, and return the answers; the call must succeed."""
        token = self.tokens.good(person)
        told, answers = await self._call(method, [request.SerializeToString() for request in requests], token)
        assert told == OK, (method, told)
        return answers

    async def _call(self, method: str, messages: Sequence[bytes], token: str | None) -> tuple[Told, Sequence[Message]]:
        """Call whatever kind it is: on the wire all four are streams. What never ends is left after a first answer."""
        contract, answers = METHODS[method], list[Message]()
        answer = message_factory.GetMessageClass(contract.output_type)
        metadata = () if token is None else (("authorization", f"Bearer {token}"),)
        multi: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = self.channel.stream_stream(method, bytes, bytes)
        call = multi(_sent(messages), metadata=metadata, timeout=WITHIN_S)
        try:
            async for data in call:
                answers.append(answer.FromString(data))
                if lasts(contract) and not _is_problem(answers[-1]):
                    call.cancel()
                    break
        except grpc.aio.AioRpcError as error:
            return _told(error), answers
        return OK, answers

    async def recorded(self, person: Person, reader: Person) -> Belongings:
        """Let somebody have one of everything there is."""
        health_service, insight_service = "/clarity.v1.HealthDataService", "/clarity.v1.InsightService"
        upload_id = f"of-{person.account_id}"
        asked_to_write = health_data.WriteSamplesRequest(samples=[sample("one"), sample("bad", -1.0)])
        await self.ask(f"{health_service}/WriteSamples", person, asked_to_write)
        await self.ask(f"{health_service}/StreamSeries", person, *recording(upload_id), finish())
        (listed,) = await self.ask(f"{insight_service}/ListAnalyses", person, insight.ListAnalysesRequest())
        assert isinstance(listed, insight.ListAnalysesResponse)
        analysis_id = listed.analyses[0].analysis_id
        asked = insight.GenerateInsightRequest(analysis_id=analysis_id)
        (told,) = await self.ask(f"{insight_service}/GenerateInsight", person, asked)
        assert isinstance(told, insight.GenerateInsightResponse)
        grant_id = await self.granted(person, reader)
        return Belongings(upload_id, analysis_id, told.insight.insight_id, person.session_id, grant_id)

    async def granted(self, person: Person, reader: Person) -> str:
        """Let somebody read everything of somebody."""
        asked = auth.CreateGrantRequest(reader_id=reader.account_id, families=DataFamily.keys()[1:])
        asked.expire_time.FromSeconds(int(time.time()) + 3600)
        (made,) = await self.ask("/clarity.v1.AuthService/CreateGrant", person, asked)
        assert isinstance(made, auth.CreateGrantResponse)
        return made.grant.grant_id

    async def consents(self, people: Collection[Person], purpose: Purpose, *, given: bool) -> None:
        """Let people say yes or no to a purpose."""
        number = list(Purpose).index(purpose) + 1
        asked = auth.SetConsentRequest(purpose=number, given=given, text_version=CONSENT_VERSION)  # type: ignore[arg-type]
        for person in people:
            token = self.tokens.good(person)
            await self.told("/clarity.v1.AuthService/SetConsent", [asked.SerializeToString()], token)

    async def until(self, people: Collection[Person], reason: str) -> None:
        """Wait until the server tells people so, as long as it may take; whoever asks next sees whether it does."""
        method, asked = "/clarity.v1.AuthService/GetAccount", auth.GetAccountRequest().SerializeToString()
        with suppress(TimeoutError):
            async with asyncio.timeout(PROMISED_S):
                for person in people:
                    while (await self.told(method, [asked], self.tokens.good(person))).reason != reason:  # noqa: ASYNC110
                        await asyncio.sleep(0.05)


def described() -> SeriesDescriptor:
    """Minutes of movement from a noon on."""
    start = DateTime(year=2026, month=9, day=1, hours=12)
    return SeriesDescriptor(
        metric=ACTIVITY_COUNTS, source=Source(device="wrist"), civil=start, period=Duration(seconds=60)
    )


def values() -> bytes:
    """Days of 16 busy hours and 8 quiet ones."""
    minutes = np.arange(DAYS * 1440)
    return np.where((minutes + 720) % 1440 < 480, 0.0, 100.0 + minutes % 97).astype("<f4").tobytes()


def chunk() -> Chunk:
    """All of it."""
    return Chunk(values=values(), crc32c=checksum(series.Chunk(0, values(), None)))


def recording(upload_id: str) -> Sequence[health_data.StreamSeriesRequest]:
    """A recording in messages, without its end."""
    opening = health_data.OpenUpload(upload_id=upload_id, series=described())
    return [health_data.StreamSeriesRequest(open=opening), health_data.StreamSeriesRequest(chunk=chunk())]


def finish() -> health_data.StreamSeriesRequest:
    """The end of a recording."""
    said = health_data.FinishUpload(total_samples=DAYS * 1440, sha256=hashlib.sha256(values()).digest())
    return health_data.StreamSeriesRequest(finish=said)


def sample(client_record_id: str, steps: float = 250.0) -> Sample:
    """Some steps, of the same family as the recording."""
    start = DateTime(year=2026, month=9, day=2, hours=9)
    end = DateTime(year=2026, month=9, day=2, hours=9, minutes=5)
    return Sample(
        metric=STEPS,
        source=Source(device="wrist"),
        client_record_id=client_record_id,
        start=ObservationTime(civil=start),
        end=ObservationTime(civil=end),
        quantity=Quantity(value=steps, ucum_unit="{steps}"),
    )


def lasts(method: MethodDescriptor) -> bool:
    """Whether a call goes on until its client ends it."""
    return bool(method.server_streaming) and "resume_token" in method.output_type.fields_by_name


def _is_problem(answer: Message) -> bool:
    return "problem" in answer.DESCRIPTOR.fields_by_name and answer.HasField("problem")


async def _sent(messages: Sequence[bytes]) -> AsyncIterator[bytes]:
    for message in messages:
        yield message


def _told(error: grpc.aio.AioRpcError) -> Told:
    found = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
    assert isinstance(found, bytes)
    status, info = status_pb2.Status.FromString(found), error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in status.details), error
    facts = tuple(sorted((name, value) for name, value in info.metadata.items() if name != "request_id"))
    return Told(info.reason, error.code().name, status.message, facts)


@asynccontextmanager
async def house(directory: Path) -> AsyncIterator[House]:
    """Serve until the end of the block."""
    running = await run.start(settings(directory))
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{running.port}") as channel:
            yield House(running, channel)
    finally:
        await running.drain(1.0)
