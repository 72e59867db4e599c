"""One valid request of every RPC: what the access matrix calls. A new RPC needs one more entry of EXAMPLES."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.message import Message
from google.type.date_pb2 import Date
from google.type.datetime_pb2 import DateTime

from clarity.v1 import auth_service_pb2 as auth
from clarity.v1 import health_data_service_pb2 as health_data
from clarity.v1 import insight_service_pb2 as insight
from clarity.v1.access_pb2 import DATA_FAMILY_HEART, PURPOSE_RESEARCH, ROLE_CLINICIAN
from clarity.v1.account_pb2 import Account
from clarity.v1.series_pb2 import SeriesItem
from clarity_server.domain.accounts import PRIVACY_VERSION, TERMS_VERSION
from clarity_server.domain.ids import new_id
from clarity_server.domain.metrics import ACTIVITY_COUNTS
from tests.server.house import PASSWORD, STEPS, Belongings, House, Person, chunk, described, finish, recording, sample

NOBODYS = "a" * 26
"""Of the shape of an id, and nobody's."""


@dataclass(frozen=True)
class Scene:
    """A house with people in it. Owl and stranger have one of everything; the clinician may read both of them."""

    house: House
    owl: Person
    stranger: Person
    clinician: Person
    operator: Person
    owls: Belongings
    strangers: Belongings

    def somebody(self, *, password: bool = False) -> Person:
        """Make a person to whom anything may happen."""
        return self.house.person(password=password)


@dataclass(frozen=True)
class Example:
    """Who asks for what, and the reason of the ordinary answer, with nothing in the way."""

    who: Person
    messages: Sequence[Message]
    ordinary: str = "OK"


def a_day() -> health_data.CivilRange:
    """The second of the recording."""
    return health_data.CivilRange(start=DateTime(year=2026, month=9, day=2), end=DateTime(year=2026, month=9, day=3))


def sign_up(scene: Scene) -> Example:
    asked = auth.SignUpRequest(
        email=f"{new_id()}@example.org",
        password=PASSWORD,
        accepted_terms_version=TERMS_VERSION,
        accepted_privacy_version=PRIVACY_VERSION,
    )
    return Example(scene.owl, [asked])


def confirm_sign_up(scene: Scene) -> Example:
    return Example(scene.owl, [auth.ConfirmSignUpRequest(ticket=NOBODYS, code="12345678")], "CODE_WRONG")


def resend_confirmation(scene: Scene) -> Example:
    return Example(scene.owl, [auth.ResendConfirmationRequest(ticket=NOBODYS)])


def sign_in(scene: Scene) -> Example:
    who = scene.somebody(password=True)
    return Example(who, [auth.SignInRequest(email=who.email, password=PASSWORD)])


def answer_challenge(scene: Scene) -> Example:
    asked = auth.AnswerChallengeRequest(ticket=NOBODYS, totp_code="123456")
    return Example(scene.owl, [asked], "CHALLENGE_ENDED")


def refresh_session(scene: Scene) -> Example:
    return Example(scene.owl, [auth.RefreshSessionRequest(refresh_token=NOBODYS)], "REFRESH_TOKEN_INVALID")


def sign_out(scene: Scene) -> Example:
    return Example(scene.somebody(), [auth.SignOutRequest()])


def list_sessions(scene: Scene) -> Example:
    return Example(scene.owl, [auth.ListSessionsRequest()])


def revoke_session(scene: Scene) -> Example:
    who = scene.somebody()
    return Example(who, [auth.RevokeSessionRequest(session_id=who.spare_session_id)])


def get_account(scene: Scene) -> Example:
    return Example(scene.owl, [auth.GetAccountRequest()])


def update_account(scene: Scene) -> Example:
    asked = auth.UpdateAccountRequest(account=Account(display_name="Owl"))
    asked.update_mask.paths.append("display_name")
    return Example(scene.somebody(), [asked])


def confirm_email(scene: Scene) -> Example:
    return Example(scene.owl, [auth.ConfirmEmailRequest(ticket=NOBODYS, code="12345678")], "CODE_WRONG")


def change_password(scene: Scene) -> Example:
    asked = auth.ChangePasswordRequest(password=PASSWORD, new_password=f"{PASSWORD}-2")
    return Example(scene.somebody(password=True), [asked])


def request_password_reset(scene: Scene) -> Example:
    return Example(scene.owl, [auth.RequestPasswordResetRequest(email="nobody@example.org")])


def reset_password(scene: Scene) -> Example:
    asked = auth.ResetPasswordRequest(ticket=NOBODYS, code="12345678", new_password=PASSWORD)
    return Example(scene.owl, [asked], "CODE_WRONG")


def enroll_totp(scene: Scene) -> Example:
    return Example(scene.somebody(password=True), [auth.EnrollTotpRequest(password=PASSWORD)])


def confirm_totp(scene: Scene) -> Example:
    return Example(scene.owl, [auth.ConfirmTotpRequest(totp_code="123456")], "TOTP_NOT_ENROLLED")


def remove_totp(scene: Scene) -> Example:
    asked = auth.RemoveTotpRequest(password=PASSWORD, totp_code="123456")
    return Example(scene.somebody(password=True), [asked], "TOTP_NOT_ENROLLED")


def create_recovery_codes(scene: Scene) -> Example:
    asked = auth.CreateRecoveryCodesRequest(password=PASSWORD)
    return Example(scene.somebody(password=True), [asked], "TOTP_NOT_ENROLLED")


def list_consents(scene: Scene) -> Example:
    return Example(scene.owl, [auth.ListConsentsRequest()])


def set_consent(scene: Scene) -> Example:
    return Example(scene.somebody(), [auth.SetConsentRequest(purpose=PURPOSE_RESEARCH)])


def create_grant(scene: Scene) -> Example:
    asked = auth.CreateGrantRequest(reader_id=scene.clinician.account_id, families=[DATA_FAMILY_HEART])
    asked.expire_time.FromSeconds(int(time.time()) + 3600)
    return Example(scene.somebody(), [asked])


def list_grants(scene: Scene) -> Example:
    return Example(scene.owl, [auth.ListGrantsRequest()])


def revoke_grant(scene: Scene) -> Example:
    return Example(scene.owl, [auth.RevokeGrantRequest(grant_id=scene.owls.grant_id)])


def list_access_events(scene: Scene) -> Example:
    return Example(scene.owl, [auth.ListAccessEventsRequest()])


def delete_account(scene: Scene) -> Example:
    return Example(scene.somebody(password=True), [auth.DeleteAccountRequest(password=PASSWORD)])


def get_erasure_receipt(scene: Scene) -> Example:
    return Example(scene.owl, [auth.GetErasureReceiptRequest(receipt_secret=NOBODYS)], "RECEIPT_NOT_FOUND")


def get_jwks(scene: Scene) -> Example:
    return Example(scene.owl, [auth.GetJwksRequest()])


def create_account(scene: Scene) -> Example:
    return Example(scene.operator, [auth.CreateAccountRequest(email=f"{new_id()}@example.org")])


def find_account(scene: Scene) -> Example:
    return Example(scene.operator, [auth.FindAccountRequest(account_id=scene.somebody().account_id)])


def set_account_state(scene: Scene) -> Example:
    asked = auth.SetAccountStateRequest(
        account_id=scene.somebody().account_id, state=Account.STATE_SUSPENDED, reason="an example"
    )
    return Example(scene.operator, [asked])


def set_account_roles(scene: Scene) -> Example:
    asked = auth.SetAccountRolesRequest(account_id=scene.somebody().account_id, roles=[ROLE_CLINICIAN])
    return Example(scene.operator, [asked])


def list_metrics(scene: Scene) -> Example:
    return Example(scene.owl, [health_data.ListMetricsRequest()])


def stream_series(scene: Scene) -> Example:
    return Example(scene.somebody(), recording("streamed"))


def append_series(scene: Scene) -> Example:
    asked = health_data.AppendSeriesRequest(upload_id="appended", series=described(), items=[SeriesItem(chunk=chunk())])
    return Example(scene.somebody(), [asked])


def get_upload(scene: Scene) -> Example:
    return Example(scene.owl, [health_data.GetUploadRequest(upload_id=scene.owls.upload_id)])


def finish_upload(scene: Scene) -> Example:
    said = finish().finish
    asked = health_data.FinishUploadRequest(
        upload_id=scene.owls.upload_id, total_samples=said.total_samples, sha256=said.sha256
    )
    return Example(scene.owl, [asked])


def read_series(scene: Scene) -> Example:
    return Example(scene.owl, [health_data.ReadSeriesRequest(metric=ACTIVITY_COUNTS, civil=a_day())])


def list_days(scene: Scene) -> Example:
    return Example(scene.owl, [health_data.ListDaysRequest()])


def write_samples(scene: Scene) -> Example:
    return Example(scene.somebody(), [health_data.WriteSamplesRequest(samples=[sample("written")])])


def list_samples(scene: Scene) -> Example:
    return Example(scene.owl, [health_data.ListSamplesRequest(metric=STEPS)])


def aggregate_samples(scene: Scene) -> Example:
    days = health_data.CivilBuckets(unit=health_data.CivilBuckets.UNIT_DAY)
    return Example(scene.owl, [health_data.AggregateSamplesRequest(metric=STEPS, civil=a_day(), calendar=days)])


def get_summary(scene: Scene) -> Example:
    return Example(scene.owl, [health_data.GetSummaryRequest(metrics=[ACTIVITY_COUNTS])])


def list_sources(scene: Scene) -> Example:
    return Example(scene.owl, [health_data.ListSourcesRequest(metrics=[ACTIVITY_COUNTS])])


def update_source(scene: Scene) -> Example:
    return Example(scene.owl, [health_data.UpdateSourceRequest(source=described().source, priority=1)])


def list_changes(scene: Scene) -> Example:
    return Example(scene.owl, [health_data.ListChangesRequest(metrics=[ACTIVITY_COUNTS])])


def delete_samples(scene: Scene) -> Example:
    return Example(scene.owl, [health_data.DeleteSamplesRequest(metrics=[STEPS], validate_only=True)])


def list_quarantine(scene: Scene) -> Example:
    return Example(scene.owl, [health_data.ListQuarantineRequest()])


def get_retention(scene: Scene) -> Example:
    return Example(scene.owl, [health_data.GetRetentionRequest()])


def set_retention(scene: Scene) -> Example:
    return Example(scene.owl, [health_data.SetRetentionRequest(keep_days=30, validate_only=True)])


def start_analysis(scene: Scene) -> Example:
    return Example(scene.owl, [insight.StartAnalysisRequest(start_date=Date(year=2026, month=9, day=2))])


def get_analysis(scene: Scene) -> Example:
    return Example(scene.owl, [insight.GetAnalysisRequest(analysis_id=scene.owls.analysis_id)])


def list_analyses(scene: Scene) -> Example:
    return Example(scene.owl, [insight.ListAnalysesRequest()])


def watch_analyses(scene: Scene) -> Example:
    return Example(scene.owl, [insight.WatchAnalysesRequest()])


def list_models(scene: Scene) -> Example:
    return Example(scene.owl, [insight.ListModelsRequest()])


def list_facts(scene: Scene) -> Example:
    return Example(scene.owl, [insight.ListFactsRequest(analysis_id=scene.owls.analysis_id)])


def generate_insight(scene: Scene) -> Example:
    return Example(scene.owl, [insight.GenerateInsightRequest(analysis_id=scene.owls.analysis_id)])


def get_insight(scene: Scene) -> Example:
    return Example(scene.owl, [insight.GetInsightRequest(insight_id=scene.owls.insight_id)])


def list_insights(scene: Scene) -> Example:
    return Example(scene.owl, [insight.ListInsightsRequest()])


_SERVICES: Mapping[str, Sequence[Callable[[Scene], Example]]] = {
    "AuthService": [
        sign_up, confirm_sign_up, resend_confirmation, sign_in, answer_challenge, refresh_session, sign_out,
        list_sessions, revoke_session, get_account, update_account, confirm_email, change_password,
        request_password_reset, reset_password, enroll_totp, confirm_totp, remove_totp, create_recovery_codes,
        list_consents, set_consent, create_grant, list_grants, revoke_grant, list_access_events, delete_account,
        get_erasure_receipt, get_jwks, create_account, find_account, set_account_state, set_account_roles,
    ],
    "HealthDataService": [
        list_metrics, stream_series, append_series, get_upload, finish_upload, read_series, list_days, write_samples,
        list_samples, aggregate_samples, get_summary, list_sources, update_source, list_changes, delete_samples,
        list_quarantine, get_retention, set_retention,
    ],
    "InsightService": [
        start_analysis, get_analysis, list_analyses, watch_analyses, list_models, list_facts, generate_insight,
        get_insight, list_insights,
    ],
}  # fmt: skip

EXAMPLES: Mapping[str, Callable[[Scene], Example]] = {
    f"/clarity.v1.{service}/{example.__name__.title().replace('_', '')}": example
    for service, examples in _SERVICES.items()
    for example in examples
}
"""By path: the function of an RPC has its name."""


def example_of(method: str, scene: Scene) -> Example:
    """Return a valid request of an RPC."""
    assert method in EXAMPLES, f"{method} has no example: add one to EXAMPLES in tests/server/examples.py"
    return EXAMPLES[method](scene)
