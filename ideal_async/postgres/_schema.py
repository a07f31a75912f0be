"""The tables, made and brought up to date by whoever comes first.

`MIGRATIONS` only ever grows at its end; the property `schema` counts how many of them the database has seen.
"""

from typing import Any

import psycopg

from ideal_async import JournalFailed

from ._connection import patiently

#: The states that cost, or may have cost, credits; of those that failed, see the second migration.
_COUNTED = "('intended', 'submitted', 'succeeded', 'unknown')"
#: Only one at a time makes tables. "Idea" in ASCII.
_LOCK = 0x49646561

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE entries (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        origin text NOT NULL,
        account text NOT NULL,
        key text NOT NULL,
        attempt text NOT NULL,
        state text NOT NULL
            CHECK (state IN ('intended', 'submitted', 'succeeded', 'failed', 'refused', 'unknown')),
        owner text,
        follower text,
        fingerprint text NOT NULL,
        request text NOT NULL,
        credits integer,
        task_id text,
        task text,
        reason text,
        earlier text,
        released text,
        late_for text,
        created_at text COLLATE "C" NOT NULL,
        updated_at text COLLATE "C" NOT NULL,
        UNIQUE (origin, account, key)
    ) WITH (fillfactor = 80);  -- a row changes three times in its life, and stays where it is
    CREATE INDEX open_entries ON entries (origin, account, state) WHERE state IN ('intended', 'submitted', 'unknown');
    CREATE INDEX tasks ON entries (task_id) WHERE task_id IS NOT NULL;
    CREATE INDEX late_answers ON entries (late_for) WHERE late_for IS NOT NULL;
    CREATE INDEX times ON entries (created_at);

    CREATE TABLE spending (
        origin text NOT NULL,
        account text NOT NULL,
        period text COLLATE "C" NOT NULL,  -- the first 15 characters of created_at: ten minutes
        credits bigint NOT NULL,
        PRIMARY KEY (origin, account, period)
    );

    -- What is counted of each batch; the name of a batch is what stands before the last slash of a key.
    CREATE TABLE progress (
        origin text NOT NULL,
        account text NOT NULL,
        batch text NOT NULL,
        state text NOT NULL,
        jobs bigint NOT NULL,
        credits bigint NOT NULL,
        PRIMARY KEY (origin, account, batch, state)
    );

    -- One row for each account: whoever may send is decided under its lock, with this database's clock.
    CREATE TABLE gates (
        origin text NOT NULL,
        account text NOT NULL,
        next_send timestamptz NOT NULL DEFAULT 'epoch',
        PRIMARY KEY (origin, account)
    );

    -- Once for each statement and in one order, so that no two of them wait for each other.
    CREATE FUNCTION count_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO spending
            SELECT origin, account, substr(created_at, 1, 15), sum(credits) FROM new_rows
            WHERE state IN COUNTED AND credits > 0 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
            ON CONFLICT (origin, account, period) DO UPDATE SET credits = spending.credits + excluded.credits;
        INSERT INTO progress
            SELECT origin, account, substring(key from '^(.*)/'), state, count(*), coalesce(sum(credits), 0)
            FROM new_rows WHERE key LIKE '%/%' GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
            ON CONFLICT (origin, account, batch, state)
            DO UPDATE SET jobs = progress.jobs + excluded.jobs, credits = progress.credits + excluded.credits;
        RETURN NULL;
    END $$;
    CREATE FUNCTION count_updated() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO spending
            SELECT origin, account, period, sum(change) FROM (
                SELECT origin, account, substr(created_at, 1, 15) AS period, credits AS change FROM new_rows
                WHERE state IN COUNTED AND credits > 0
                UNION ALL
                SELECT origin, account, substr(created_at, 1, 15), -credits FROM old_rows
                WHERE state IN COUNTED AND credits > 0
            ) AS both_rows GROUP BY 1, 2, 3 HAVING sum(change) <> 0 ORDER BY 1, 2, 3
            ON CONFLICT (origin, account, period) DO UPDATE SET credits = spending.credits + excluded.credits;
        INSERT INTO progress
            SELECT origin, account, batch, state, sum(one), sum(change) FROM (
                SELECT origin, account, substring(key from '^(.*)/') AS batch, state, 1 AS one,
                    coalesce(credits, 0) AS change
                FROM new_rows WHERE key LIKE '%/%'
                UNION ALL
                SELECT origin, account, substring(key from '^(.*)/'), state, -1, -coalesce(credits, 0)
                FROM old_rows WHERE key LIKE '%/%'
            ) AS both_rows GROUP BY 1, 2, 3, 4 HAVING sum(one) <> 0 OR sum(change) <> 0 ORDER BY 1, 2, 3, 4
            ON CONFLICT (origin, account, batch, state)
            DO UPDATE SET jobs = progress.jobs + excluded.jobs, credits = progress.credits + excluded.credits;
        RETURN NULL;
    END $$;
    -- What is pruned was spent all the same; what is withdrawn was not.
    CREATE FUNCTION count_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO spending
            SELECT origin, account, substr(created_at, 1, 15), -sum(credits) FROM old_rows
            WHERE state IN ('intended', 'unknown') AND credits > 0 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
            ON CONFLICT (origin, account, period) DO UPDATE SET credits = spending.credits + excluded.credits;
        INSERT INTO progress
            SELECT origin, account, substring(key from '^(.*)/'), state, -count(*), -coalesce(sum(credits), 0)
            FROM old_rows WHERE key LIKE '%/%' AND state IN ('intended', 'unknown')
            GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
            ON CONFLICT (origin, account, batch, state)
            DO UPDATE SET jobs = progress.jobs + excluded.jobs, credits = progress.credits + excluded.credits;
        RETURN NULL;
    END $$;
    CREATE TRIGGER count_inserted AFTER INSERT ON entries
        REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_inserted();
    CREATE TRIGGER count_updated AFTER UPDATE ON entries
        REFERENCING NEW TABLE AS new_rows OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_updated();
    CREATE TRIGGER count_deleted AFTER DELETE ON entries
        REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_deleted();
    """.replace("COUNTED", _COUNTED),
    # Of a task that ended otherwise than `Failed` nobody promises the credits back. Before, all were taken to be.
    """
    ALTER TABLE entries
        ADD COLUMN refunded integer,  -- 1: a failed task's credits come back; NULL: nobody knows
        ADD COLUMN sunk integer NOT NULL DEFAULT 0;  -- credits of released tasks that may not
    UPDATE entries SET refunded = 1 WHERE state = 'failed';

    CREATE OR REPLACE FUNCTION count_updated() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO spending
            SELECT origin, account, period, sum(change) FROM (
                SELECT origin, account, substr(created_at, 1, 15) AS period, credits AS change FROM new_rows
                WHERE (state IN COUNTED OR (state = 'failed' AND refunded IS NULL)) AND credits > 0
                UNION ALL
                SELECT origin, account, substr(created_at, 1, 15), -credits FROM old_rows
                WHERE credits > 0 AND (state IN COUNTED OR (state = 'failed' AND refunded IS NULL AND NOT EXISTS (
                    SELECT 1 FROM new_rows WHERE new_rows.id = old_rows.id AND new_rows.sunk > old_rows.sunk
                )))
            ) AS both_rows GROUP BY 1, 2, 3 HAVING sum(change) <> 0 ORDER BY 1, 2, 3
            ON CONFLICT (origin, account, period) DO UPDATE SET credits = spending.credits + excluded.credits;
        INSERT INTO progress
            SELECT origin, account, batch, state, sum(one), sum(change) FROM (
                SELECT origin, account, substring(key from '^(.*)/') AS batch, state, 1 AS one,
                    coalesce(credits, 0) AS change
                FROM new_rows WHERE key LIKE '%/%'
                UNION ALL
                SELECT origin, account, substring(key from '^(.*)/'), state, -1, -coalesce(credits, 0)
                FROM old_rows WHERE key LIKE '%/%'
            ) AS both_rows GROUP BY 1, 2, 3, 4 HAVING sum(one) <> 0 OR sum(change) <> 0 ORDER BY 1, 2, 3, 4
            ON CONFLICT (origin, account, batch, state)
            DO UPDATE SET jobs = progress.jobs + excluded.jobs, credits = progress.credits + excluded.credits;
        RETURN NULL;
    END $$;
    """.replace("COUNTED", _COUNTED),
    # Totals of what is in flight, of every batch; all of them can be made anew from the rows.
    """
    ALTER TABLE entries ADD COLUMN denied boolean NOT NULL DEFAULT false;  -- the API does not know its task
    ALTER TABLE gates ADD COLUMN followed boolean NOT NULL DEFAULT false;  -- somebody delivers the ends of its tasks
    -- What was pruned still counts, and so does what was released without a refund: no row tells it any more.
    ALTER TABLE spending ADD COLUMN in_flight bigint NOT NULL DEFAULT 0, ADD COLUMN kept bigint NOT NULL DEFAULT 0;
    ALTER TABLE progress ADD COLUMN pruned_jobs bigint NOT NULL DEFAULT 0,
        ADD COLUMN pruned_credits bigint NOT NULL DEFAULT 0;

    -- What each row counts for; a key without a slash is of the batch without a name.
    CREATE FUNCTION batch_of(key text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
        SELECT coalesce(substring(key from '^(.*)/'), '')
    $$;
    CREATE FUNCTION spent(state text, refunded integer, credits integer) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
        SELECT CASE WHEN state IN COUNTED OR state = 'failed' AND refunded IS NULL THEN coalesce(credits, 0) ELSE 0
            END::bigint
    $$;
    CREATE FUNCTION flies(state text, denied boolean) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
        SELECT (state = 'submitted' AND NOT denied)::integer
    $$;

    -- Makes all totals anew from the rows; returns how many of them were wrong.
    CREATE FUNCTION recount() RETURNS bigint LANGUAGE plpgsql SET search_path = ideal_async AS $$
    DECLARE wrong bigint;
    BEGIN
        LOCK TABLE entries IN SHARE MODE;
        WITH counted AS (
            SELECT origin, account, substr(created_at, 1, 15) AS period,
                sum(spent(state, refunded, credits)) AS credits, sum(flies(state, denied)) AS in_flight
            FROM entries GROUP BY 1, 2, 3
        ), missing AS (
            INSERT INTO spending SELECT origin, account, period, credits, in_flight FROM counted
            WHERE credits <> 0 OR in_flight <> 0 ON CONFLICT DO NOTHING RETURNING 1
        ), amended AS (
            UPDATE spending SET credits = spending.kept + coalesce(counted.credits, 0),
                in_flight = coalesce(counted.in_flight, 0)
            FROM spending AS old LEFT JOIN counted USING (origin, account, period)
            WHERE (spending.origin, spending.account, spending.period) = (old.origin, old.account, old.period)
                AND (old.credits <> old.kept + coalesce(counted.credits, 0)
                    OR old.in_flight <> coalesce(counted.in_flight, 0))
            RETURNING 1
        ) SELECT (SELECT count(*) FROM missing) + (SELECT count(*) FROM amended) INTO wrong;
        WITH counted AS (
            SELECT origin, account, batch_of(key) AS batch, state, count(*) AS jobs,
                sum(coalesce(credits, 0)) AS credits
            FROM entries GROUP BY 1, 2, 3, 4
        ), missing AS (
            INSERT INTO progress SELECT * FROM counted ON CONFLICT DO NOTHING RETURNING 1
        ), amended AS (
            UPDATE progress SET jobs = progress.pruned_jobs + coalesce(counted.jobs, 0),
                credits = progress.pruned_credits + coalesce(counted.credits, 0)
            FROM progress AS old LEFT JOIN counted USING (origin, account, batch, state)
            WHERE (progress.origin, progress.account, progress.batch, progress.state)
                    = (old.origin, old.account, old.batch, old.state)
                AND (old.jobs <> old.pruned_jobs + coalesce(counted.jobs, 0)
                    OR old.credits <> old.pruned_credits + coalesce(counted.credits, 0))
            RETURNING 1
        ) SELECT wrong + (SELECT count(*) FROM missing) + (SELECT count(*) FROM amended) INTO wrong;
        RETURN wrong;
    END $$;

    CREATE OR REPLACE FUNCTION count_inserted() RETURNS trigger LANGUAGE plpgsql SET search_path = ideal_async AS $$
    BEGIN
        INSERT INTO spending
            SELECT origin, account, substr(created_at, 1, 15), sum(spent(state, refunded, credits)),
                sum(flies(state, denied))
            FROM new_rows GROUP BY 1, 2, 3
            HAVING sum(spent(state, refunded, credits)) <> 0 OR sum(flies(state, denied)) <> 0 ORDER BY 1, 2, 3
            ON CONFLICT (origin, account, period) DO UPDATE
            SET credits = spending.credits + excluded.credits, in_flight = spending.in_flight + excluded.in_flight;
        INSERT INTO progress
            SELECT origin, account, batch_of(key), state, count(*), coalesce(sum(credits), 0)
            FROM new_rows GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
            ON CONFLICT (origin, account, batch, state)
            DO UPDATE SET jobs = progress.jobs + excluded.jobs, credits = progress.credits + excluded.credits;
        RETURN NULL;
    END $$;
    CREATE OR REPLACE FUNCTION count_updated() RETURNS trigger LANGUAGE plpgsql SET search_path = ideal_async AS $$
    BEGIN
        INSERT INTO spending
            SELECT origin, account, period, sum(change), sum(places), sum(sinks) FROM (
                SELECT origin, account, substr(created_at, 1, 15) AS period, spent(state, refunded, credits) AS change,
                    flies(state, denied) AS places, 0 AS sinks
                FROM new_rows
                UNION ALL
                SELECT old_rows.origin, old_rows.account, substr(old_rows.created_at, 1, 15),
                    new_rows.sunk - old_rows.sunk - spent(old_rows.state, old_rows.refunded, old_rows.credits),
                    -flies(old_rows.state, old_rows.denied), new_rows.sunk - old_rows.sunk
                FROM old_rows JOIN new_rows USING (id)
            ) AS both_rows GROUP BY 1, 2, 3 HAVING sum(change) <> 0 OR sum(places) <> 0 OR sum(sinks) <> 0
            ORDER BY 1, 2, 3
            ON CONFLICT (origin, account, period) DO UPDATE
            SET credits = spending.credits + excluded.credits, in_flight = spending.in_flight + excluded.in_flight,
                kept = spending.kept + excluded.kept;
        INSERT INTO progress
            SELECT origin, account, batch, state, sum(one), sum(change) FROM (
                SELECT origin, account, batch_of(key) AS batch, state, 1 AS one, coalesce(credits, 0) AS change
                FROM new_rows
                UNION ALL
                SELECT origin, account, batch_of(key), state, -1, -coalesce(credits, 0) FROM old_rows
            ) AS both_rows GROUP BY 1, 2, 3, 4 HAVING sum(one) <> 0 OR sum(change) <> 0 ORDER BY 1, 2, 3, 4
            ON CONFLICT (origin, account, batch, state)
            DO UPDATE SET jobs = progress.jobs + excluded.jobs, credits = progress.credits + excluded.credits;
        RETURN NULL;
    END $$;
    -- What is pruned was spent all the same; what is withdrawn was not.
    CREATE OR REPLACE FUNCTION count_deleted() RETURNS trigger LANGUAGE plpgsql SET search_path = ideal_async AS $$
    BEGIN
        UPDATE spending SET credits = spending.credits - gone.withdrawn, kept = spending.kept + gone.pruned,
            in_flight = spending.in_flight - gone.in_flight
        FROM (
            SELECT origin, account, substr(created_at, 1, 15) AS period,
                sum(CASE WHEN state IN ('intended', 'unknown') THEN coalesce(credits, 0) ELSE 0 END) AS withdrawn,
                sum(CASE WHEN state IN ('intended', 'unknown') THEN 0 ELSE spent(state, refunded, credits) END)
                    AS pruned,
                sum(flies(state, denied)) AS in_flight
            FROM old_rows GROUP BY 1, 2, 3
        ) AS gone
        WHERE (spending.origin, spending.account, spending.period) = (gone.origin, gone.account, gone.period);
        UPDATE progress SET jobs = progress.jobs - gone.withdrawn, credits = progress.credits - gone.returned,
            pruned_jobs = progress.pruned_jobs + gone.pruned, pruned_credits = progress.pruned_credits + gone.kept
        FROM (
            SELECT origin, account, batch_of(key) AS batch, state,
                count(*) FILTER (WHERE state IN ('intended', 'unknown')) AS withdrawn,
                coalesce(sum(credits) FILTER (WHERE state IN ('intended', 'unknown')), 0) AS returned,
                count(*) FILTER (WHERE state NOT IN ('intended', 'unknown')) AS pruned,
                coalesce(sum(credits) FILTER (WHERE state NOT IN ('intended', 'unknown')), 0) AS kept
            FROM old_rows GROUP BY 1, 2, 3, 4
        ) AS gone
        WHERE (progress.origin, progress.account, progress.batch, progress.state)
            = (gone.origin, gone.account, gone.batch, gone.state);
        RETURN NULL;
    END $$;
    UPDATE spending SET kept = spending.credits - coalesce((
        SELECT sum(spent(state, refunded, credits)) FROM entries WHERE entries.origin = spending.origin
            AND entries.account = spending.account AND substr(entries.created_at, 1, 15) = spending.period), 0);
    UPDATE progress SET pruned_jobs = progress.jobs - counted.jobs, pruned_credits = progress.credits - counted.credits
    FROM (
        SELECT old.origin, old.account, old.batch, old.state, count(entries.id) AS jobs,
            coalesce(sum(entries.credits), 0) AS credits
        FROM progress AS old LEFT JOIN entries ON entries.origin = old.origin AND entries.account = old.account
            AND batch_of(entries.key) = old.batch AND entries.state = old.state
        GROUP BY 1, 2, 3, 4
    ) AS counted
    WHERE (progress.origin, progress.account, progress.batch, progress.state)
        = (counted.origin, counted.account, counted.batch, counted.state);
    SELECT recount();
    """.replace("COUNTED", _COUNTED),
)


def migrate(connection: psycopg.Connection[Any]) -> None:
    """Bring the tables up to date; of many hosts at once, one does it.

    Raises:
        JournalFailed: A newer version of this library made them.
        psycopg.Error: They cannot be made.
    """
    connection.execute("SET search_path = ideal_async")
    found = connection.execute(
        "SELECT 1 FROM pg_tables WHERE schemaname = 'ideal_async' AND tablename = 'properties'"
    ).fetchone()
    if found is not None and _version(connection) == len(MIGRATIONS):
        return
    with connection.transaction(), patiently(connection):  # a long journal is counted once
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        connection.execute("CREATE SCHEMA IF NOT EXISTS ideal_async")
        connection.execute("CREATE TABLE IF NOT EXISTS properties (name text PRIMARY KEY, value text)")
        version = _version(connection)
        if version > len(MIGRATIONS):
            raise JournalFailed(
                f"the journal's tables were made by a newer ideal_async (schema {version}, this one knows "
                f"{len(MIGRATIONS)}): upgrade ideal_async on this host"
            )
        for migration in MIGRATIONS[version:]:
            connection.execute(migration.encode())
        connection.execute(
            "INSERT INTO properties VALUES ('schema', %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (str(len(MIGRATIONS)),),
        )


def _version(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("SELECT value FROM properties WHERE name = 'schema'").fetchone()
    return 0 if row is None else int(row[0])
