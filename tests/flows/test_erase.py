"""Erasure: all there is of a person goes, nobody else's does, and nothing brings it back."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from clarity_server.domain import chain
from clarity_server.domain.access import Purpose
from clarity_server.domain.accounts import Account, AccountState, Identity
from clarity_server.domain.audit import AuditKind
from clarity_server.domain.erasure import ErasureState, read_receipt
from clarity_server.domain.errors import (
    AccountErasing,
    AccountNotFound,
    ClarityError,
    CodeWrong,
    CredentialsWrong,
    ReceiptNotFound,
    RefreshTokenInvalid,
    StoreDamaged,
    StoreUnavailable,
)
from clarity_server.flows.erase import LOOK_AGAIN_S, NotEmpty
from clarity_server.flows.sign_in import SignInAsked
from clarity_server.server.boundary import failing
from tests.contracts.worlds import Clock
from tests.flows.erasing_world import GRACE_S, HERE, MARK, PASSWORD, ErasingWorld, erasing_world
from tests.flows.upload_world import COUNTS, Recording, UploadWorld, float32

OWL, WOLF = "owl@example.org", "wolf@example.org"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ErasingWorld]:
    with erasing_world(tmp_path) as opened:
        yield opened


def people(world: ErasingWorld) -> tuple[Account, Account]:
    """Two people with something in every store, who read each other."""
    wolf = world.signed_up(WOLF)
    owl = world.person(OWL, wolf)
    world.recorded(wolf.account_id)
    return owl, wolf


def erased(world: ErasingWorld, email: str = OWL) -> str:
    """Let somebody be erased, to the end; return the receipt's secret."""
    identity, _ = world.signed_in(email)
    secret, _ = world.erase.request(identity, PASSWORD, "", HERE)
    world.clock.wait(GRACE_S + 1)
    assert world.erase.run_due() == 1
    return secret


def state(world: ErasingWorld, account: Account) -> AccountState | None:
    found = world.store.accounts.get(account.account_id)
    return None if found is None else found.state


def files_with(root: Path, mark: bytes) -> list[str]:
    return [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and mark in path.read_bytes()]


def test_the_world_has_something_of_a_person_in_every_store(world: ErasingWorld) -> None:
    owl, _ = people(world)
    without = [holder.name for holder in world.holders if not holder.count(owl.account_id)]
    assert without == ["a cache"], "of which nothing can be listed"


def test_after_its_time_every_store_is_empty_and_the_receipt_says_so(world: ErasingWorld) -> None:
    owl, _ = people(world)
    before = world.left(owl.account_id)
    secret = erased(world)
    assert world.left(owl.account_id) == {}
    receipt = world.erase.receipt(secret)
    assert (receipt.state, receipt.done_time) == (ErasureState.DONE, world.clock())
    counts = {name: (count, left) for name, count, left in receipt.stores}
    assert set(counts) == {holder.name for holder in world.holders}
    assert all(left == 0 for _, left in counts.values())
    assert all(counts[name][0] >= count for name, count in before.items() if name not in ("requests", "tickets"))
    assert world.forgotten == [owl.account_id]


def test_what_lay_open_in_the_files_is_overwritten(world: ErasingWorld) -> None:
    owl = world.person(OWL, world.signed_up(WOLF))
    assert files_with(world.store.root, MARK.encode())
    erased(world)
    assert files_with(world.store.root, MARK.encode()) == []
    assert owl.account_id in {event.account_id for event in world.events()}, "the audit keeps ids"


def ledger_files(world: ErasingWorld) -> list[Path]:
    return list((world.store.root / "keys" / "erasures").glob("*.json"))


def test_nothing_of_anybody_else_goes(world: ErasingWorld) -> None:
    _, wolf = people(world)
    before = world.left(wolf.account_id)
    erased(world)
    after = world.left(wolf.account_id)
    shared = {"grants", "access_events of others", "blobs/.aside", "keys/aside"}
    expected = {name: count for name, count in before.items() if name not in shared}
    assert {name: count for name, count in after.items() if name not in shared} == expected
    (read,) = world.store.access_events.list(wolf.account_id, None, 10)
    assert (read.reader_id, read.method) == ("", "ReadSeries"), "who was read knows that still, and by nobody's name"
    assert world.store.accounts.get(wolf.account_id) == wolf


def test_the_key_is_destroyed(world: ErasingWorld) -> None:
    owl, _ = people(world)
    erased(world)
    with pytest.raises(StoreDamaged):
        world.store.keys.data_key(owl.account_id)
    with pytest.raises(AccountNotFound):
        world.store.keys.create_data_key(owl.account_id)


def test_the_receipt_is_signed_by_the_audit_key_and_does_not_say_who(world: ErasingWorld) -> None:
    owl, _ = people(world)
    receipt = world.erase.receipt(erased(world))
    key = chain.signing_key(world.store.keys.derived(chain.SIGNING_PURPOSE)).public_key()
    told = read_receipt(receipt.signed_receipt, key)
    assert (told["erasure_id"], told["state"]) == (receipt.erasure_id, "done")
    assert {store["store"] for store in told["stores"]} == {name for name, _, _ in receipt.stores}
    assert owl.account_id not in str(told)
    head, body, signature = receipt.signed_receipt.split(".")
    for forged in (f"{head}.{body[:-4]}AAAA.{signature}", f"{head}.{body}.{signature[:-4]}AAAA", "a.b.c", ""):
        with pytest.raises(ValueError, match="not a receipt"):
            read_receipt(forged, key)


def test_the_steps_stand_in_the_audit_and_the_audit_stays_whole(world: ErasingWorld) -> None:
    owl, _ = people(world)
    erased(world)
    told = [(event.kind, event.facts.get("step")) for event in world.events() if event.account_id == owl.account_id]
    steps = [
        (AuditKind.ERASURE_ASKED, None),
        (AuditKind.ERASED, "begun"),
        (AuditKind.ERASED, "done"),
    ]
    assert [one for one in told if one in steps] == steps
    assert world.store.audit.verify().whole


# ---- asking and taking it back ---------------------------------------------------------------------------------------


def test_until_its_time_nothing_is_erased_and_nobody_is_signed_in(world: ErasingWorld) -> None:
    owl, _ = people(world)
    identity, tokens = world.signed_in(OWL)
    before = world.left(owl.account_id)
    secret, erase_time = world.erase.request(identity, PASSWORD, "", HERE)
    assert erase_time == world.clock() + GRACE_S
    assert state(world, owl) is AccountState.ERASING
    assert tokens.session_id in world.ended
    with pytest.raises(RefreshTokenInvalid):
        world.sign_in.refresh(tokens.refresh_token, "", HERE)
    world.clock.wait(GRACE_S - 1)
    assert world.erase.run_due() == 0
    assert world.left(owl.account_id)["segments"] == before["segments"]
    assert world.erase.receipt(secret).state is ErasureState.SCHEDULED
    assert "erasure-asked" in world.mail_kinds(OWL)


def test_a_wrong_password_asks_for_nothing(world: ErasingWorld) -> None:
    owl, _ = people(world)
    identity, _ = world.signed_in(OWL)
    with pytest.raises(CredentialsWrong):
        world.erase.request(identity, "Wrong-0ne", "", HERE)
    assert state(world, owl) is AccountState.ACTIVE
    assert world.store.ledger.of_account(owl.account_id) is None


def test_signing_in_keeps_the_account(world: ErasingWorld) -> None:
    owl, _ = people(world)
    identity, _ = world.signed_in(OWL)
    before = world.left(owl.account_id)
    secret, _ = world.erase.request(identity, PASSWORD, "", HERE)
    world.signed_in(OWL)
    assert state(world, owl) is AccountState.ACTIVE
    assert world.erase.receipt(secret).state is ErasureState.CANCELLED
    assert "erasure-cancelled" in world.mail_kinds(OWL)
    world.clock.wait(2 * GRACE_S)
    assert world.erase.run_due() == 0
    assert world.left(owl.account_id)["segments"] == before["segments"]
    assert AuditKind.ERASURE_CANCELLED in {event.kind for event in world.events()}


def test_it_can_be_asked_for_again_after_it_was_taken_back(world: ErasingWorld) -> None:
    owl, _ = people(world)
    identity, _ = world.signed_in(OWL)
    first, _ = world.erase.request(identity, PASSWORD, "", HERE)
    world.clock.wait(1)
    world.signed_in(OWL)
    world.clock.wait(1)
    second = erased(world)
    assert world.erase.receipt(first).state is ErasureState.CANCELLED
    assert world.erase.receipt(second).state is ErasureState.DONE
    assert world.left(owl.account_id) == {}


def test_what_has_begun_cannot_be_taken_back(world: ErasingWorld) -> None:
    owl, _ = people(world)
    identity, _ = world.signed_in(OWL)
    world.erase.request(identity, PASSWORD, "", HERE)
    scheduled = world.store.ledger.of_account(owl.account_id)
    assert scheduled is not None
    world.store.ledger.advance(scheduled, replace(scheduled, state=ErasureState.RUNNING))
    with pytest.raises(AccountErasing):
        world.erase.cancel(owl.account_id, HERE)


def test_a_secret_that_opens_no_receipt_is_told_alike(world: ErasingWorld) -> None:
    for secret in ("", "a" * 26, "ä"):
        with pytest.raises(ReceiptNotFound):
            world.erase.receipt(secret)


# ---- nothing brings it back ------------------------------------------------------------------------------------------


def test_no_old_token_request_code_or_upload_brings_anything_back(world: ErasingWorld) -> None:
    owl, _ = people(world)
    uploads = UploadWorld(world.store)
    recording = Recording("late", COUNTS, float32([1.0] * 100))
    open_hand = uploads.open(recording, owl.account_id)
    request_id = "the-first-sign-in"
    identity, tokens = world.signed_in(OWL, request_id)
    reset = world.proofs.request_reset(OWL, HERE)
    code = world.mailed(OWL)
    erased(world)

    def refused(error: type[ClarityError]) -> "pytest.RaisesExc[ClarityError]":
        return pytest.raises(error)

    with refused(RefreshTokenInvalid):
        world.sign_in.refresh(tokens.refresh_token, "", HERE)
    for again in (request_id, ""):
        with refused(CredentialsWrong):
            world.sign_in.sign_in(SignInAsked(OWL, PASSWORD), again, HERE)
    with refused(CodeWrong):
        world.proofs.reset(reset.ticket, code, "Another-0wl", HERE)
    with refused(CredentialsWrong):
        world.erase.request(identity, PASSWORD, "", HERE)
    with refused(AccountNotFound):
        uploads.open(recording, owl.account_id)
    with refused(ClarityError):
        open_hand.send_all(10)
        open_hand.commit()
    assert world.left(owl.account_id) == {}


def test_who_wrote_while_it_was_erased_is_found_out(world: ErasingWorld) -> None:
    """A derivation that had begun ends after the last look."""
    owl, wolf = people(world)
    erase = world.erase
    identity, _ = world.signed_in(OWL)
    erase.request(identity, PASSWORD, "", HERE)
    world.clock.wait(GRACE_S + 1)
    assert erase.run_due() == 1
    world.recorded(owl.account_id)
    before = world.left(wolf.account_id)["segments"]
    assert erase.run_due() == 0
    assert world.left(owl.account_id) == {}
    assert world.left(wolf.account_id)["segments"] == before
    assert [standing.account_id for standing in erase.lately()] == [owl.account_id]
    world.clock.wait(LOOK_AGAIN_S + 1)
    erase.run_due()
    assert erase.lately() == []


def test_what_does_not_become_empty_is_not_said_to_be(world: ErasingWorld) -> None:
    owl, _ = people(world)
    identity, _ = world.signed_in(OWL)
    secret, _ = world.erase.request(identity, PASSWORD, "", HERE)
    world.clock.wait(GRACE_S + 1)
    stuck = replace(world.erase, holders=[*world.holders, Stuck()])
    with pytest.raises(NotEmpty, match="stuck"):
        stuck.run_due()
    assert world.erase.receipt(secret).state is ErasureState.RUNNING
    assert world.store.keys.data_key(owl.account_id), "the key goes last"
    assert world.erase.apply_ledger() == 1
    assert world.erase.receipt(secret).state is ErasureState.DONE


def test_one_account_that_cannot_be_erased_holds_up_no_other_and_is_tried_again(world: ErasingWorld) -> None:
    owl, wolf = people(world)
    broken = Broken(owl.account_id)
    erase = replace(world.erase, holders=[*world.holders, broken], failing=failing)
    for email in (OWL, WOLF):
        erase.request(world.signed_in(email)[0], PASSWORD, "", HERE)
    world.clock.wait(GRACE_S + 1)
    assert erase.run_due() == 1
    assert world.left(wolf.account_id) == {}
    broken.account_id = ""
    assert erase.run_due() == 1
    assert world.left(owl.account_id) == {}


def test_a_server_that_starts_after_it_was_done_still_knows_for_as_long_as_tokens_live(tmp_path: Path) -> None:
    clock = Clock()
    with erasing_world(tmp_path, clock) as world:
        owl, _ = people(world)
        erased(world)
    with erasing_world(tmp_path, clock) as world:
        erase = world.erase
        erase.apply_ledger()
        standings = [(one.account_id, one.state) for one in erase.lately()]
        assert standings == [(owl.account_id, AccountState.ERASING)]
    clock.wait(LOOK_AGAIN_S)
    with erasing_world(tmp_path, clock) as world:
        erase = world.erase
        erase.apply_ledger()
        assert erase.lately() == []


@dataclass
class Broken:
    """A store that cannot be reached for one account."""

    account_id: str
    name: str = "broken"

    def count(self, account_id: str) -> int:
        if account_id == self.account_id:
            raise StoreUnavailable("it is broken")
        return 0

    def erase(self, account_id: str) -> int:
        return self.count(account_id)


class Stuck:
    """A store that says that it has something, whatever one does."""

    name = "stuck"

    def count(self, account_id: str) -> int:
        return len(account_id)

    def erase(self, account_id: str) -> int:
        return self.count(account_id) - self.count(account_id)


def test_a_store_that_was_put_back_is_erased_again_at_the_start(tmp_path: Path) -> None:
    """Both of its directories, from before the erasure was even asked for; the keys were in no backup."""
    root, backup, clock = tmp_path / "root", tmp_path / "backup", Clock()
    with erasing_world(root, clock) as world:
        owl, wolf = people(world)
    shutil.copytree(root, backup, ignore=shutil.ignore_patterns("keys"))
    with erasing_world(root, clock) as world:
        secret = erased(world)
        done = world.erase.receipt(secret)
    for name in ("clarity.db", "blobs"):
        target = root / name
        shutil.rmtree(target) if target.is_dir() else target.unlink()
    shutil.copytree(backup, root, dirs_exist_ok=True)
    with erasing_world(root, clock) as world:
        assert world.left(owl.account_id)["segments"] == 2
        assert world.erase.apply_ledger() == 1
        assert world.left(owl.account_id) == {}
        assert files_with(root, f'"{MARK}", "{owl.account_id}"'.encode()) == []
        with pytest.raises(StoreDamaged):
            world.store.keys.data_key(owl.account_id)
        assert world.erase.receipt(secret) == done, "the receipt stays as it was"
        assert world.store.accounts.get(wolf.account_id) == wolf
        assert world.erase.apply_ledger() == 0, "there is nothing left to do"


def test_a_store_from_before_it_was_asked_for_is_told_of_it_at_the_start(tmp_path: Path) -> None:
    root, backup, clock = tmp_path / "root", tmp_path / "backup", Clock()
    with erasing_world(root, clock) as world:
        owl, _ = people(world)
    shutil.copy(root / "clarity.db", backup)
    with erasing_world(root, clock) as world:
        identity, _ = world.signed_in(OWL)
        world.erase.request(identity, PASSWORD, "", HERE)
    shutil.copy(backup, root / "clarity.db")
    with erasing_world(root, clock) as world:
        assert state(world, owl) is AccountState.ACTIVE
        assert world.erase.apply_ledger() == 0
        assert state(world, owl) is AccountState.ERASING
        clock.wait(GRACE_S + 1)
        assert world.erase.run_due() == 1
        assert world.left(owl.account_id) == {}


def test_a_store_from_before_it_was_taken_back_keeps_the_account(tmp_path: Path) -> None:
    root, backup, clock = tmp_path / "root", tmp_path / "backup", Clock()
    with erasing_world(root, clock) as world:
        owl, _ = people(world)
        identity, _ = world.signed_in(OWL)
        world.erase.request(identity, PASSWORD, "", HERE)
    shutil.copy(root / "clarity.db", backup)
    with erasing_world(root, clock) as world:
        world.signed_in(OWL)
    shutil.copy(backup, root / "clarity.db")
    with erasing_world(root, clock) as world:
        assert state(world, owl) is AccountState.ERASING
        assert world.erase.apply_ledger() == 0
        assert state(world, owl) is AccountState.ACTIVE


def test_an_erasure_that_only_the_store_knows_of_is_done_all_the_same(world: ErasingWorld) -> None:
    owl, _ = people(world)
    identity, _ = world.signed_in(OWL)
    world.erase.request(identity, PASSWORD, "", HERE)
    for file in ledger_files(world):
        file.unlink()
    world.clock.wait(GRACE_S + 1)
    assert world.erase.run_due() == 1
    assert world.left(owl.account_id) == {}


def test_nothing_is_derived_of_an_account_that_is_being_erased(world: ErasingWorld) -> None:
    owl, _ = people(world)
    identity, _ = world.signed_in(OWL)
    world.erase.request(identity, PASSWORD, "", HERE)
    world.clock.wait(GRACE_S + 1)
    stuck = replace(world.erase, holders=[Stuck()])
    with pytest.raises(NotEmpty):
        stuck.run_due()
    given = {one.purpose: one.given for one in world.store.consents.of_account(owl.account_id)}
    assert given[Purpose.ANALYSIS] is False
    assert [due for due in world.store.analyses.due_days(100) if due.key.account_id == owl.account_id] == []


def test_an_identity_without_an_account_asks_for_nothing(world: ErasingWorld) -> None:
    people(world)
    stranger = Identity("c" * 26, "session", 0.0, 0.0, frozenset())
    with pytest.raises(CredentialsWrong):
        world.erase.request(stranger, PASSWORD, "", HERE)
