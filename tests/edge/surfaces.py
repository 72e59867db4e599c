"""The ways of calling an RPC, behind one shape: messages and a token in, messages and perhaps an error out."""

import base64
import json
import re
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import grpc
from google.api import annotations_pb2
from google.api.http_pb2 import HttpRule
from google.api.httpbody_pb2 import HttpBody
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from clarity import local
from clarity.v1 import access_pb2, auth_service_pb2_grpc, health_data_service_pb2_grpc, insight_service_pb2_grpc
from clarity.v1.access_pb2 import Access
from tests.edge.web import framed, web_call

TIMEOUT_S = 30
PACKAGE = "clarity.v1."
STUBS = {
    "clarity.v1.AuthService": auth_service_pb2_grpc.AuthServiceStub,
    "clarity.v1.HealthDataService": health_data_service_pb2_grpc.HealthDataServiceStub,
    "clarity.v1.InsightService": insight_service_pb2_grpc.InsightServiceStub,
}
DETAILS = (ErrorInfo, BadRequest, RetryInfo)  # imported, so that JSON can name them


@dataclass(frozen=True, slots=True)
class Ask:
    """What is sent, and for a stream without an end the kind of message after which its caller hangs up."""

    messages: Sequence[Message]
    token: str = ""
    until: str = ""

    def is_enough(self, message: Message) -> bool:
        """Whether this is the message that was waited for."""
        return bool(self.until) and message.HasField(self.until)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, in the messages of the contract however it travelled."""

    messages: Sequence[Message]
    status: Status | None = None

    @property
    def reason(self) -> str:
        """The reason of the error, or nothing."""
        return reason_of(self.status)


class Surface(Protocol):
    """One way of calling."""

    @property
    def name(self) -> str:
        """What a failed test calls it."""

    def call(self, rpc: MethodDescriptor, ask: Ask) -> Answer:
        """Make the call and read the answer to its end, or to what is enough."""


# ---- the contract ----------------------------------------------------------------------------------------------------


def services(descriptors: Path) -> list[str]:
    """Every service of our own in a descriptor set, by its full name."""
    files = FileDescriptorSet.FromString(descriptors.read_bytes()).file
    return sorted(f"{file.package}.{service.name}" for file in files for service in file.service)


def rpcs(descriptors: Path) -> list[str]:
    """Every RPC of every service, as `clarity.v1.AuthService/SignUp`."""
    pool = descriptor_pool.Default()
    return [f"{name}/{rpc.name}" for name in services(descriptors) for rpc in pool.FindServiceByName(name).methods]


def described(rpc: str) -> MethodDescriptor:
    """The descriptor of an RPC by that name."""
    service, _, name = rpc.partition("/")
    return descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]


def path_of(rpc: MethodDescriptor) -> str:
    """Where gRPC has it."""
    return f"/{rpc.containing_service.full_name}/{rpc.name}"


def rule_of(rpc: MethodDescriptor) -> HttpRule:
    """Where JSON has it."""
    extended: Any = rpc.GetOptions().Extensions  # the extension is typed for messages of another package
    rule: HttpRule = extended[annotations_pb2.http]
    return rule


def rule_verb(rule: HttpRule) -> str:
    """Its HTTP method."""
    return (rule.WhichOneof("pattern") or "").upper()


def template_of(rpc: MethodDescriptor) -> str:
    """The path of that rule, with its variables."""
    rule = rule_of(rpc)
    return str(getattr(rule, rule.WhichOneof("pattern") or ""))


def access_of(rpc: MethodDescriptor) -> Access:
    """What a call of it needs."""
    extended: Any = rpc.GetOptions().Extensions
    needed: Access = extended[access_pb2.access]
    return needed


def answer_type(rpc: MethodDescriptor) -> type[Message]:
    """The class of its answers."""
    return message_factory.GetMessageClass(rpc.output_type)


# ---- gRPC ------------------------------------------------------------------------------------------------------------


def status_of(failed: grpc.RpcError) -> Status:
    """The error a stub raised, with its details."""
    call: Any = failed  # grpc raises what is an RpcError and a Call at once, which no type says
    found: Status | None = rpc_status.from_call(call)
    return found or Status(code=call.code().value[0], message=call.details())


def reason_of(status: Status | None) -> str:
    """The reason in an error; empty where there is none."""
    info = ErrorInfo()
    return next((info.reason for detail in status.details if detail.Unpack(info)), "") if status else ""


@dataclass(frozen=True, slots=True)
class Stub:
    """The generated stub, over a channel to the server or to Envoy."""

    name: str
    channel: grpc.Channel

    def call(self, rpc: MethodDescriptor, ask: Ask) -> Answer:
        method = getattr(STUBS[rpc.containing_service.full_name](self.channel), rpc.name)
        given: Any = iter(ask.messages) if rpc.client_streaming else ask.messages[0]
        metadata = [("authorization", f"Bearer {ask.token}")] if ask.token else []
        received: list[Message] = []
        try:
            answered = method(given, metadata=metadata, timeout=TIMEOUT_S)
            for message in answered if rpc.server_streaming else [answered]:
                received.append(message)
                if ask.is_enough(message):
                    answered.cancel()
                    break
        except grpc.RpcError as failed:
            return Answer(received, status_of(failed))
        return Answer(received)


@dataclass(frozen=True, slots=True)
class Web:
    """gRPC-Web, framed by hand, through Envoy."""

    name: str
    port: int

    def call(self, rpc: MethodDescriptor, ask: Ask) -> Answer:
        read = answer_type(rpc).FromString
        body = b"".join(map(framed, ask.messages))
        reply = web_call(self.port, path_of(rpc), body, ask.token, enough=lambda data: ask.is_enough(read(data)))
        return Answer([read(data) for data in reply.messages], reply.status)


# ---- JSON ------------------------------------------------------------------------------------------------------------


def as_json(message: Message) -> dict[str, Any]:
    """A message with the contract's own names."""
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def from_json(text: dict[str, Any], kind: type[Message]) -> Message:
    """A message out of parsed JSON; a name the contract does not know is an error."""
    return json_format.ParseDict(text, kind())


def status_from_json(text: dict[str, Any]) -> Status:
    """An error out of its JSON."""
    return json_format.ParseDict(text, Status())


def documents(text: str) -> Iterator[Any]:
    """JSON documents one after the other, however they are separated."""
    decoder, at, text = json.JSONDecoder(), 0, text.strip()
    while at < len(text):
        document, end = decoder.raw_decode(text, at)
        yield document
        at = end + len(text[end:]) - len(text[end:].lstrip())


@dataclass(frozen=True, slots=True)
class Curl:
    """JSON through Envoy, as a person types it: the path and the body follow from the google.api.http rule."""

    name: str
    port: int

    def call(self, rpc: MethodDescriptor, ask: Ask) -> Answer:
        found = _run(self._command(rpc, ask), _body(rpc, ask), rpc, ask)
        assert found.returncode == 0, found.stderr
        text, _, told = found.stdout.rpartition("\n")
        status, _, content_type = told.partition(" ")
        if status == "200" and rpc.output_type.full_name == HttpBody.DESCRIPTOR.full_name:
            return Answer([HttpBody(content_type=content_type, data=text.encode())])
        said = list(documents(text))
        if status not in {"200", ""}:  # none where we hung up before the end
            return Answer([], status_from_json(said[0]))
        messages = [from_json(one, answer_type(rpc)) for one in said]
        return Answer(messages, problem_in(messages))

    def _command(self, rpc: MethodDescriptor, ask: Ask) -> list[str]:
        url = f"http://127.0.0.1:{self.port}{_target(rpc, ask)}"
        command = [
            "curl",
            "-sSN",
            "--noproxy",
            "*",
            "--max-time",
            str(TIMEOUT_S),
            "-X",
            rule_verb(rule_of(rpc)),
            "-w",
            "\n%{http_code} %{content_type}",
            url,
        ]
        command += ["-H", f"authorization: Bearer {ask.token}"] if ask.token else []
        if rule_of(rpc).body:
            command += ["-H", "content-type: application/json", "--data-binary", "@-"]
        return command


def _fields(rpc: MethodDescriptor, ask: Ask) -> tuple[str, dict[str, Any]]:
    """The path with its variables filled in, and the fields that are left for the body or the query."""
    fields = as_json(ask.messages[0])
    path = re.sub(r"\{(\w+)\}", lambda name: str(fields.pop(name[1])), template_of(rpc))
    return path, fields


def _target(rpc: MethodDescriptor, ask: Ask) -> str:
    if rpc.client_streaming:
        return str(rule_of(rpc).post)
    path, fields = _fields(rpc, ask)
    if rule_of(rpc).body or not fields:
        return path
    return path + "?" + "&".join(f"{name}={value}" for name, value in _flat(fields))


def _flat(fields: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested fields as a query spells them: `start_date.year=2024`, and each entry of a list by itself."""
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            yield from ((prefix + name, entry) for entry in value)
        else:
            yield prefix + name, json.dumps(value) if isinstance(value, bool) else value


def _body(rpc: MethodDescriptor, ask: Ask) -> str:
    if rpc.client_streaming:
        return json.dumps([as_json(message) for message in ask.messages])
    return json.dumps(_fields(rpc, ask)[1])


def problem_in(messages: Sequence[Message]) -> Status | None:
    """The error a stream ends with: JSON sees no trailers, so it is in the last message."""
    last: Any = messages[-1] if messages else None
    if last is None or "problem" not in last.DESCRIPTOR.fields_by_name or not last.HasField("problem"):
        return None
    return Status.FromString(last.problem.SerializeToString())


# ---- the operators' tools --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Grpcurl:
    """grpcurl through Envoy, which learns the contract by reflection."""

    name: str
    port: int

    def call(self, rpc: MethodDescriptor, ask: Ask) -> Answer:
        command = [_tool("grpcurl"), "-plaintext", "-format-error", "-max-time", str(TIMEOUT_S)]
        command += ["-H", f"authorization: Bearer {ask.token}"] if ask.token else []
        address = f"127.0.0.1:{self.port}"
        found = _run([*command, "-d", "@", address, path_of(rpc).lstrip("/")], _spelt_out(_piped(ask)), rpc, ask)
        messages = [from_json(one, answer_type(rpc)) for one in documents(found.stdout)]
        return Answer(messages, status_from_json(json.loads(found.stderr)) if found.returncode else None)


@dataclass(frozen=True, slots=True)
class BufCurl:
    """`buf curl` to the server: what stands in where there is no grpcurl. It reads the descriptor set of `make gen`."""

    name: str
    port: int
    descriptors: Path

    def call(self, rpc: MethodDescriptor, ask: Ask) -> Answer:
        command = [_tool("buf"), "curl", "--protocol", "grpc", "--http2-prior-knowledge", "--schema"]
        command += [str(self.descriptors), "--data", "@-"]
        command += ["-H", f"authorization: Bearer {ask.token}"] if ask.token else []
        found = _run([*command, f"http://127.0.0.1:{self.port}{path_of(rpc)}"], _piped(ask), rpc, ask)
        messages = [from_json(one, answer_type(rpc)) for one in documents(found.stdout)]
        return Answer(messages, _connect_status(json.loads(found.stderr)) if found.returncode else None)


def _connect_status(error: dict[str, Any]) -> Status:
    """An error as Connect spells it: the code in lower case, the details in base64."""
    code = grpc.StatusCode[error["code"].upper()].value[0]
    status = Status(code=code, message=error.get("message", ""))
    for detail in error.get("details", []):
        value = base64.b64decode(detail["value"] + "=" * (-len(detail["value"]) % 4))
        status.details.add(type_url=f"type.googleapis.com/{detail['type']}", value=value)
    return status


def _piped(ask: Ask) -> str:
    return "\n".join(json.dumps(as_json(message)) for message in ask.messages)


def _spelt_out(text: str) -> str:
    """A field mask as grpcurl 1.8.6 wants it: it knows neither the short form nor JSON's spelling of names."""

    def spelt_out(mask: re.Match[str]) -> str:
        names = re.sub("[A-Z]", lambda capital: "_" + capital[0].lower(), mask[2])
        return mask[1] + json.dumps({"paths": names.split(",")})

    return re.sub(r'("update_mask": )"([^"]*)"', spelt_out, text)


def _run(command: list[str], text: str, rpc: MethodDescriptor, ask: Ask) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end; or until it has printed what is enough, which then counts as a success."""
    if not ask.until:
        return subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=2 * TIMEOUT_S)
    with tempfile.TemporaryFile("w+") as given:
        given.write(text)
        given.seek(0)
        process = subprocess.Popen(command, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    late = threading.Timer(2 * TIMEOUT_S, process.kill)
    late.start()
    said = _heard(process, lambda one: ask.is_enough(from_json(one, answer_type(rpc))))
    code = process.poll() or 0
    late.cancel()
    process.kill()
    rest, errors = process.communicate()
    return subprocess.CompletedProcess(command, code, said + rest, errors)


def _heard(process: subprocess.Popen[str], is_enough: Callable[[Any], bool]) -> str:
    """What a tool prints up to the first document that is enough, or to its end."""
    said = ""
    for line in process.stdout or ():
        said += line
        if any(map(is_enough, _whole_documents(said))):
            return said
    process.wait()
    return said


def _whole_documents(text: str) -> Iterator[Any]:
    """Those documents of a text that are there to their end."""
    try:
        yield from documents(text)
    except json.JSONDecodeError:
        return


@cache
def _tool(name: str) -> str:
    found = local.tool(name)
    assert found, f"{name} is not installed"
    return found
