"""What happened, and what to do about it, in one sentence."""

from __future__ import annotations

from clarity.calls import ClarityError

# What to do about a failure, by its reason; the failure's own text says what happened.
ADVICE = {
    "NO_SERVER": "start one with `clarity up`, or name another with --target",
    "CUT_OFF": "run the same command again",
    "NOT_SIGNED_IN": "run `clarity sign-in`, or `clarity sign-up` for a new account",
    "TOKEN_INVALID": "run `clarity sign-in`",
    "SESSION_ENDED": "run `clarity sign-in`; uploads go on where they were",
    "REFRESH_TOKEN_INVALID": "run `clarity sign-in`",
    "REFRESH_TOKEN_REUSED": "run `clarity sign-in`",
    "CREDENTIALS_WRONG": "check both and try again, or make an account with `clarity sign-up`",
    "EMAIL_TAKEN": "run `clarity sign-in`",
    "CODE_WRONG": "take the newest code, or have another one sent",
    "CHALLENGE_ENDED": "run `clarity sign-in` again",
    "ACCOUNT_SUSPENDED": "ask whoever runs the server",
    "ACCOUNT_DISABLED": "ask whoever runs the server",
    "ACCOUNT_ERASING": "run `clarity sign-in` to keep it",
    "SCOPE_MISSING": "run `clarity sign-in` again, without --scope or with this one",
    "SCOPE_NOT_ALLOWED": "an operator gives roles; `clarity account` shows yours",
    "ROLE_MISSING": "an operator gives roles; `clarity account` shows yours",
    "CONSENT_MISSING": "`clarity consents` shows yours, and `clarity consents give PURPOSE` gives one",
    "ACCESS_NOT_GRANTED": "ask its owner for a grant; `clarity grants received` shows those you have",
    "SESSION_NOT_FOUND": "`clarity sessions` lists those there are",
    "TOTP_ENROLLED": "`clarity totp off` turns them off",
    "TOTP_NOT_ENROLLED": "`clarity totp on` makes one",
    "READER_NOT_FOUND": "ask them for their account's id, which `clarity account` shows",
    "GRANT_NOT_FOUND": "`clarity grants` lists those you have given",
    "GRANTS_FULL": "`clarity grants revoke GRANT` ends one",
    "RECEIPT_NOT_FOUND": "it is what `clarity account delete` told you to keep",
    "ACCOUNT_NOT_FOUND": "check its id or its address",
    "RATE_LIMITED": "run the same command again then",
    "METRIC_UNKNOWN": "`clarity metrics` lists them",
    "METRIC_NOT_STREAMABLE": "`clarity metrics` tells which can be streamed",
    "UPLOAD_MISMATCH": "this recording was sent before under another description",
    "SAMPLE_NOT_FOUND": "`clarity samples list METRIC` and `clarity quarantine` list those there are",
    "SOURCE_NOT_FOUND": "`clarity sources` lists them",
    "AGGREGATE_INAPPLICABLE": "`clarity metrics` tells how each is summed up",
    "QUERY_TOO_LARGE": "ask for longer buckets, or less time at once",
    "CHANGE_TOKEN_EXPIRED": "read everything anew, with `clarity changes` without --since",
    "RESUME_TOKEN_INVALID": "start from the beginning, without a token",
    "COUNT_CHANGED": "nothing was deleted; run the same command again to count anew",
    "QUARANTINE_FULL": "`clarity quarantine` lists what to mend, and `clarity quarantine delete --all` makes room",
    "STORE_DAMAGED": "send what you still have again, under a higher version; `clarity store check` names all of it",
    "FEATURE_OFF": "ask whoever runs the server",
    "STORE_FULL": "make room on the server and run the same command again",
    "SHUTTING_DOWN": "run the same command again in a moment",
    "STORE_UNAVAILABLE": "run the same command again in a moment",
    "TOO_MANY_STREAMS": "run the same command again in a moment",
    "BUSY": "run the same command again in a moment",
    "WINDOW_NOT_FOUND": "`clarity days` lists what is there",
    "ANALYSIS_NOT_FOUND": "`clarity weeks` lists those there are",
    "ANALYSIS_NOT_DONE": "`clarity watch` tells when it is done",
    "INSIGHT_NOT_FOUND": "`clarity insight` tells a new one",
    "TIME_KIND_WRONG": "give --start and --end as civil times (no offset; days are civil) or as instants (with one)",
    "UNIMPLEMENTED": "this server does not know the call; is it CLARITY, and as new as this command?",
}


def sentence(error: Exception) -> str:
    """Say what happened and what to do."""
    if isinstance(error, ClarityError):
        advice = ADVICE.get(error.reason)
        return f"{error.text.rstrip('.')}: {advice}." if advice else f"{error.text.rstrip('.')}."
    if isinstance(error, OSError):
        return f"{error.filename or 'the system'}: {(error.strerror or str(error)).lower()}."
    return str(error)
