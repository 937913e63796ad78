-- Tasks, the calls of their dials, and leases. PostgreSQL 12 or newer.
-- Times are microseconds since 1970 UTC; a time that is not set is -62135596800000000, year 1.
-- Text sorts by its bytes (COLLATE "C"), whatever the database's locale.

CREATE TABLE {schema}{prefix}schema_version (
	version integer PRIMARY KEY,
	name    text NOT NULL
);

-- One row per task. doc is the JSON of what is not a column. Rows are rewritten
-- some six times, mostly without touching an index: hence the fillfactor.
CREATE TABLE {schema}{prefix}tasks (
	id         text COLLATE "C" PRIMARY KEY,
	tenant_id  text COLLATE "C" NOT NULL,
	run_id     text COLLATE "C" NOT NULL,
	status     text COLLATE "C" NOT NULL,
	due_at     bigint NOT NULL,
	version    bigint NOT NULL,
	created_at bigint NOT NULL,
	updated_at bigint NOT NULL,
	agent_id   text NOT NULL,
	callee     text NOT NULL,
	outcome    text NOT NULL,
	reason     text NOT NULL,
	cost_usd   double precision NOT NULL,
	doc        text NOT NULL
) WITH (fillfactor = 80);

-- status and cost_usd at the end let a summary be read from the index alone.
CREATE INDEX {prefix}tasks_status ON {schema}{prefix}tasks (status, id, cost_usd);
CREATE INDEX {prefix}tasks_due ON {schema}{prefix}tasks (status, due_at, id);
CREATE INDEX {prefix}tasks_run ON {schema}{prefix}tasks (run_id, id, status, cost_usd) WHERE run_id <> '';
CREATE INDEX {prefix}tasks_tenant ON {schema}{prefix}tasks (tenant_id, id, status, cost_usd) WHERE tenant_id <> '';

-- Which task a vendor's call id belongs to. Rows are only added, with the task
-- row and in the same statement; deleting a task deletes its rows.
CREATE TABLE {schema}{prefix}calls (
	provider text COLLATE "C" NOT NULL,
	call_id  text COLLATE "C" NOT NULL,
	task_id  text COLLATE "C" NOT NULL REFERENCES {schema}{prefix}tasks (id) ON DELETE CASCADE,
	PRIMARY KEY (provider, call_id, task_id)
);

CREATE INDEX {prefix}calls_task ON {schema}{prefix}calls (task_id);

CREATE TABLE {schema}{prefix}leases (
	scope    text COLLATE "C" NOT NULL,
	holder   text COLLATE "C" NOT NULL,
	until_at bigint NOT NULL,
	PRIMARY KEY (scope, holder)
);

CREATE INDEX {prefix}leases_holder ON {schema}{prefix}leases (holder);
CREATE INDEX {prefix}leases_until ON {schema}{prefix}leases (until_at);

INSERT INTO {schema}{prefix}schema_version (version, name) VALUES (1, 'tasks');
