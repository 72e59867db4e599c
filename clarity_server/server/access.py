"""What every served method needs, read from the `access` option that stands with it in the contract."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor

from clarity.v1 import access_pb2, auth_service_pb2, health_data_service_pb2, insight_service_pb2
from clarity_server.domain.access import MEMBER_SCOPES, OPERATOR_SCOPES, Access, Family, Purpose, Role, Use
from clarity_server.domain.errors import StartRefused

SERVICES = (
    auth_service_pb2.DESCRIPTOR.services_by_name["AuthService"].full_name,
    health_data_service_pb2.DESCRIPTOR.services_by_name["HealthDataService"].full_name,
    insight_service_pb2.DESCRIPTOR.services_by_name["InsightService"].full_name,
)

OPTION: Any = access_pb2.access  # protoc types an extension as a field, which knows nothing of its message
ANYBODY = Access(public=True)
OTHERS: Mapping[str, Access] = MappingProxyType(
    dict.fromkeys(
        (
            "/grpc.health.v1.Health/Check",
            "/grpc.health.v1.Health/List",
            "/grpc.health.v1.Health/Watch",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        ),
        ANYBODY,
    )
)
"""What is served beside our own services: others have written it, so the option cannot stand there."""


def declared(
    services: Iterable[str] = SERVICES, pool: descriptor_pool.DescriptorPool | None = None
) -> Mapping[str, Access]:
    """Return what every method needs, by its path. Raises StartRefused naming one that does not say, or wrongly."""
    known = pool or descriptor_pool.Default()
    ours = {
        f"/{service}/{method.name}": _access(method)
        for service in services
        for method in known.FindServiceByName(service).methods
    }
    return {**OTHERS, **ours}


def public(access: Mapping[str, Access]) -> frozenset[str]:
    """Return the methods that need no token."""
    return frozenset(method for method, needed in access.items() if needed.public)


def _access(method: MethodDescriptor) -> Access:
    options = method.GetOptions()
    if not options.HasExtension(OPTION):
        raise StartRefused(f"{method.full_name} has no (clarity.v1.access) option: nobody knows who may call it")
    try:
        access = _read(options.Extensions[OPTION])
    except ValueError as why:
        raise StartRefused(f"{method.full_name}: (clarity.v1.access) {why}") from why
    wrong = _wrong(access, method)
    if wrong:
        raise StartRefused(f"{method.full_name}: (clarity.v1.access) {wrong}")
    return access


def _read(said: access_pb2.Access) -> Access:
    return Access(
        public=said.public,
        scope=said.scope,
        use=Use(_word(access_pb2.DataUse.Name(said.data_use))) if said.data_use else None,
        family=Family(_word(access_pb2.DataFamily.Name(said.family))) if said.family else None,
        purposes=tuple(Purpose(_word(access_pb2.Purpose.Name(purpose))) for purpose in said.purposes),
        role=Role(_word(access_pb2.Role.Name(said.role))) if said.role else None,
        shareable=said.shareable,
    )


def _word(name: str) -> str:
    """Return what the domain calls an enum's entry: DATA_FAMILY_HEART is `heart`."""
    return name.removeprefix("DATA_").partition("_")[2].lower()


def _wrong(access: Access, method: MethodDescriptor) -> str:
    if access.public and access != ANYBODY:
        return "is public and asks for more"
    if access.scope and access.scope not in MEMBER_SCOPES | OPERATOR_SCOPES:
        return f"asks for the scope {access.scope!r}, which no token holds"
    if access.family is not None and access.use is None:
        return "has a family and no data_use"
    named = method.input_type.fields_by_name.get("account_id")
    if access.shareable and (named is None or named.type != FieldDescriptor.TYPE_STRING):
        return "is shareable, and the request has no account_id"
    if access.shareable and access.use is not Use.READ:
        return "is shareable and does not read"
    return ""
