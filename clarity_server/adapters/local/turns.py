"""Queues in the SQLite file, read one account after the other: nobody's backlog makes another wait but their turn."""

# While it stands, nothing is derived for the account: what is due waits, and is due again once consent is given.
WITHHELD = "EXISTS (SELECT 1 FROM consents WHERE account_id = ACCOUNT AND purpose = 'analysis' AND given = 0)"

# The recursion steps from account to account through the index. Every account gives its oldest few, as many as one
# account alone would have to, or only its oldest where there are accounts enough; then they take turns.
IN_TURN = """
    WITH RECURSIVE
    steps (account) AS (
        SELECT min(account_id) FROM QUEUE WHERE DUE
        UNION ALL
        SELECT (SELECT min(account_id) FROM QUEUE WHERE DUE AND account_id > account)
        FROM steps WHERE account IS NOT NULL),
    accounts AS MATERIALIZED (SELECT account FROM steps WHERE account IS NOT NULL AND READY AND NOT WITHHELD),
    turns AS (
        SELECT place AS at, row_number() OVER (PARTITION BY account ORDER BY place) AS turn
        FROM accounts CROSS JOIN QUEUE ON DUE AND account_id = account AND place IN (
            SELECT place FROM QUEUE WHERE DUE AND account_id = account ORDER BY place
            LIMIT (SELECT iif(count(*) < :limit, :limit, 1) FROM accounts))),
    page AS MATERIALIZED (SELECT at, turn FROM turns ORDER BY turn, at LIMIT :limit)
    SELECT COLUMNS FROM page CROSS JOIN QUEUE ON place = at ORDER BY turn, at"""


def in_turn(columns: str, queue: str, due: str, ready: str = "true") -> str:
    """Return the query for the first `:limit` rows of a queue, oldest `place` first within an account.

    `due` tells which rows wait, and has an index on (account_id, place); `ready` tells which `account` takes part. One
    that withholds its consent to analysis does not.
    """
    query = IN_TURN.replace("COLUMNS", columns).replace("QUEUE", queue).replace("WITHHELD", withheld("account"))
    return query.replace("DUE", due).replace("READY", ready)


def withheld(account: str) -> str:
    """Return the condition that an account, by the name it has in the query, withholds its consent to analysis."""
    return WITHHELD.replace("ACCOUNT", account)
