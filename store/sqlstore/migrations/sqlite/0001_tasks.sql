-- Tasks, the calls of their dials, and leases. SQLite 3.38 or newer.
-- Times are microseconds since 1970 UTC; a time that is not set is -62135596800000000, year 1.

CREATE TABLE {schema}{prefix}schema_version (
	version INTEGER PRIMARY KEY,
	name    TEXT NOT NULL
);

-- One row per task. doc is the JSON of what is not a column. It comes last, so
-- that reading the columns before it does not read its overflow pages.
CREATE TABLE {schema}{prefix}tasks (
	id         TEXT NOT NULL PRIMARY KEY,
	tenant_id  TEXT NOT NULL,
	run_id     TEXT NOT NULL,
	status     TEXT NOT NULL,
	due_at     INTEGER NOT NULL,
	version    INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	agent_id   TEXT NOT NULL,
	callee     TEXT NOT NULL,
	outcome    TEXT NOT NULL,
	reason     TEXT NOT NULL,
	cost_usd   REAL NOT NULL,
	calls      TEXT NOT NULL, -- JSON [["provider", "call id"], ...], or empty
	doc        TEXT NOT NULL
);

-- status and cost_usd at the end let a summary be read from the index alone.
CREATE INDEX {schema}{prefix}tasks_status ON {prefix}tasks (status, id, cost_usd);
CREATE INDEX {schema}{prefix}tasks_due ON {prefix}tasks (status, due_at, id);
CREATE INDEX {schema}{prefix}tasks_run ON {prefix}tasks (run_id, id, status, cost_usd) WHERE run_id <> '';
CREATE INDEX {schema}{prefix}tasks_tenant ON {prefix}tasks (tenant_id, id, status, cost_usd) WHERE tenant_id <> '';

-- Which task a vendor's call id belongs to. Rows are only added. SQLite has no
-- statement that writes two tables, so triggers keep this one: an update that
-- brings no new call id costs nothing, one that does is still one statement.
CREATE TABLE {schema}{prefix}calls (
	provider TEXT NOT NULL,
	call_id  TEXT NOT NULL,
	task_id  TEXT NOT NULL,
	PRIMARY KEY (provider, call_id, task_id)
) WITHOUT ROWID;

CREATE INDEX {schema}{prefix}calls_task ON {prefix}calls (task_id);

CREATE TRIGGER {schema}{prefix}tasks_insert AFTER INSERT ON {prefix}tasks WHEN new.calls <> ''
BEGIN
	INSERT OR IGNORE INTO {prefix}calls (provider, call_id, task_id)
	SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), new.id FROM json_each(new.calls);
END;

CREATE TRIGGER {schema}{prefix}tasks_update AFTER UPDATE OF calls ON {prefix}tasks WHEN new.calls <> '' AND new.calls <> old.calls
BEGIN
	INSERT OR IGNORE INTO {prefix}calls (provider, call_id, task_id)
	SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), new.id FROM json_each(new.calls);
END;

CREATE TRIGGER {schema}{prefix}tasks_delete AFTER DELETE ON {prefix}tasks
BEGIN
	DELETE FROM {prefix}calls WHERE task_id = old.id;
END;

CREATE TABLE {schema}{prefix}leases (
	scope    TEXT NOT NULL,
	holder   TEXT NOT NULL,
	until_at INTEGER NOT NULL,
	PRIMARY KEY (scope, holder)
) WITHOUT ROWID;

CREATE INDEX {schema}{prefix}leases_holder ON {prefix}leases (holder);
CREATE INDEX {schema}{prefix}leases_until ON {prefix}leases (until_at);

INSERT INTO {schema}{prefix}schema_version (version, name) VALUES (1, 'tasks');
