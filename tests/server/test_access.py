"""What a method needs stands in the contract, is read from there, and nothing is served that does not say it."""

from collections.abc import Callable, Iterator

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from clarity.v1 import access_pb2
from clarity_server.domain.access import Access, Family, Purpose, Role, Use
from clarity_server.domain.errors import StartRefused
from clarity_server.server.access import OPTION, OTHERS, SERVICES, declared, public

WORDS = access_pb2.DESCRIPTOR.enum_types_by_name
ENUMS = {"DataFamily": Family, "Role": Role, "Purpose": Purpose, "DataUse": Use}
Say = Callable[[access_pb2.Access], None]


def methods(service: str) -> Iterator[str]:
    for method in descriptor_pool.Default().FindServiceByName(service).methods:
        yield f"/{service}/{method.name}"


def test_every_served_method_says_what_it_needs() -> None:
    assert set(declared()) == {*OTHERS, *(method for service in SERVICES for method in methods(service))}


def test_every_service_of_the_contract_is_among_them() -> None:
    """Red for a new service that nobody has added to SERVICES."""
    files = ("auth", "health_data", "insight")
    pool = descriptor_pool.Default()
    found = {
        service.full_name
        for name in files
        for service in pool.FindFileByName(f"clarity/v1/{name}_service.proto").services_by_name.values()
    }
    assert found == set(SERVICES)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("AuthService/SignIn", Access(public=True)),
        ("AuthService/SignOut", Access()),
        ("AuthService/SetAccountRoles", Access(scope="operator.write", role=Role.OPERATOR)),
        ("HealthDataService/StreamSeries", Access(use=Use.WRITE, purposes=(Purpose.STORAGE,))),
        (
            "InsightService/GenerateInsight",
            Access(use=Use.WRITE, family=Family.ANALYSIS, purposes=(Purpose.ANALYSIS, Purpose.NARRATION)),
        ),
        ("HealthDataService/ListDays", Access(use=Use.READ, purposes=(Purpose.ANALYSIS,), shareable=True)),
    ],
)
def test_what_is_declared_is_read(method: str, expected: Access) -> None:
    assert declared()[f"/clarity.v1.{method}"] == expected


def test_health_and_both_reflections_are_public_and_nothing_else_beside_ours_is() -> None:
    health = health_pb2.DESCRIPTOR.services_by_name["Health"].methods_by_name
    reflection = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"].methods_by_name
    expected = {f"/grpc.health.v1.Health/{name}" for name in health}
    for version in ("v1", "v1alpha"):  # the package brings v1alpha; v1 has the same method
        expected |= {f"/grpc.reflection.{version}.ServerReflection/{name}" for name in reflection}
    assert set(OTHERS) == expected
    assert set(OTHERS) <= public(declared())


def test_only_what_comes_before_a_session_or_after_an_account_is_public() -> None:
    """A list, so that a new public method is a decision and not an accident."""
    ours = {method.rpartition("/")[2] for method in public(declared()) if method.startswith("/clarity.")}
    assert ours == {
        "SignUp",
        "ConfirmSignUp",
        "ResendConfirmation",
        "SignIn",
        "AnswerChallenge",
        "RefreshSession",
        "RequestPasswordReset",
        "ResetPassword",
        "GetErasureReceipt",
        "GetJwks",
    }


@pytest.mark.parametrize("enum", ENUMS)
def test_the_contracts_words_are_the_domains(enum: str) -> None:
    """In the same order, but for the first, which is never stored."""
    said = [value.name.removeprefix("DATA_").partition("_")[2].lower() for value in WORDS[enum].values]
    assert said == ["unspecified", *ENUMS[enum]]


# ---- what is refused at the start ------------------------------------------------------------------------------------


def pool_with(say: Say | None, *fields: str) -> descriptor_pool.DescriptorPool:
    """Describe one service with one method, whose request has some fields."""
    file = descriptor_pb2.FileDescriptorProto(name="made_up.proto", package="made.up", syntax="proto3")
    request = file.message_type.add(name="Request")
    for number, field in enumerate(fields, start=1):
        request.field.add(
            name=field,
            number=number,
            type=descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
            label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
        )
    method = file.service.add(name="Service").method.add(
        name="Call", input_type=".made.up.Request", output_type=".made.up.Request"
    )
    if say is not None:
        say(method.options.Extensions[OPTION])
        method.options.Extensions[OPTION].SetInParent()
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def test_a_method_that_says_nothing_stops_the_start_by_name() -> None:
    with pytest.raises(StartRefused, match=r"made\.up\.Service\.Call"):
        declared(["made.up.Service"], pool_with(None))


def test_a_method_that_needs_any_token_says_so_by_an_empty_option() -> None:
    assert declared(["made.up.Service"], pool_with(lambda _: None))["/made.up.Service/Call"] == Access()


def says(**fields: object) -> Say:
    return lambda access: access.MergeFrom(access_pb2.Access(**fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("say", "told"),
    [
        (says(public=True, scope="account.read"), "public and asks for more"),
        (says(scope="account.raed"), "no token holds"),
        (says(family=access_pb2.DATA_FAMILY_HEART), "no data_use"),
        (says(data_use=access_pb2.DATA_USE_READ, shareable=True), "no account_id"),
        (says(family=77, data_use=access_pb2.DATA_USE_READ), "77"),
    ],
)
def test_a_method_that_contradicts_itself_stops_the_start(say: Say, told: str) -> None:
    with pytest.raises(StartRefused, match=told):
        declared(["made.up.Service"], pool_with(say))


def test_nobody_can_be_let_write_for_another() -> None:
    pool = pool_with(says(data_use=access_pb2.DATA_USE_WRITE, shareable=True), "account_id")
    with pytest.raises(StartRefused, match="does not read"):
        declared(["made.up.Service"], pool)
