"""Queues in the SQLite file, read one account after the other: nobody's backlog makes another wait but their turn."""

# The recursion steps from account to account through the index. Every account gives its oldest few, as many as one
# account alone would have to, or only its oldest where there are accounts enough; then they take turns.
IN_TURN = """
    WITH RECURSIVE
    steps (account) AS (
        SELECT min(account_id) FROM QUEUE WHERE DUE
        UNION ALL
        SELECT (SELECT min(account_id) FROM QUEUE WHERE DUE AND account_id > account)
        FROM steps WHERE account IS NOT NULL),
    accounts AS MATERIALIZED (SELECT account FROM steps WHERE account IS NOT NULL AND READY),
    turns AS (
        SELECT place AS at, row_number() OVER (PARTITION BY account ORDER BY place) AS turn
        FROM accounts CROSS JOIN QUEUE ON DUE AND account_id = account AND place IN (
            SELECT place FROM QUEUE WHERE DUE AND account_id = account ORDER BY place
            LIMIT (SELECT iif(count(*) < :limit, :limit, 1) FROM accounts))),
    page AS MATERIALIZED (SELECT at, turn FROM turns ORDER BY turn, at LIMIT :limit)
    SELECT COLUMNS FROM page CROSS JOIN QUEUE ON place = at ORDER BY turn, at"""


def in_turn(columns: str, queue: str, due: str, ready: str = "true") -> str:
    """Return the query for the first `:limit` rows of a queue, oldest `place` first within an account.

    `due` tells which rows wait, and has an index on (account_id, place); `ready` tells which `account` takes part.
    """
    query = IN_TURN.replace("COLUMNS", columns).replace("QUEUE", queue)
    return query.replace("DUE", due).replace("READY", ready)
