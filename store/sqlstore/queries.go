package sqlstore

import "strings"

// columns are read in this order by scan.
const columns = `id, tenant_id, run_id, status, due_at, version, created_at, updated_at, agent_id, callee, outcome, reason, doc`

// Parameters 1 to 12 of both writes are row.args. SQLite adds 13, the calls, and
// 14, the time; PostgreSQL adds 13 only where there are calls, and has the time
// itself.
const (
	insertPostgres = `INSERT INTO {tasks}
	(id, tenant_id, run_id, status, due_at, version, agent_id, callee, outcome, reason, cost_usd, doc, created_at, updated_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, {now}, {now})
	ON CONFLICT (id) DO NOTHING RETURNING created_at, updated_at`
	insertSQLite = `INSERT INTO {tasks}
	(id, tenant_id, run_id, status, due_at, version, agent_id, callee, outcome, reason, cost_usd, doc, calls, created_at, updated_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14)
	ON CONFLICT (id) DO NOTHING RETURNING created_at, updated_at`

	updateSet = `UPDATE {tasks} SET tenant_id = $2, run_id = $3, status = $4, due_at = $5, version = version + 1,
	agent_id = $7, callee = $8, outcome = $9, reason = $10, cost_usd = $11, doc = $12, `
	updateWhere    = ` WHERE id = $1 AND version = $6 RETURNING created_at, updated_at`
	updatePostgres = updateSet + `updated_at = greatest(updated_at, {now})` + updateWhere
	updateSQLite   = updateSet + `calls = $13, updated_at = max(updated_at, $14)` + updateWhere

	// Around a write in PostgreSQL: the calls are added only if the write took
	// place, and in one transaction with it.
	callsBefore = `WITH written AS (`
	callsAfter  = `), added AS (
	INSERT INTO {calls} (provider, call_id, task_id)
	SELECT pair->>0, pair->>1, CAST($1 AS text) FROM written, json_array_elements(CAST(CAST($13 AS text) AS json)) AS c(pair)
	ON CONFLICT DO NOTHING)
	SELECT created_at, updated_at FROM written`

	selectTask   = `SELECT ` + columns + ` FROM {tasks}`
	selectGet    = selectTask + ` WHERE id = $1`
	selectExists = `SELECT 1 FROM {tasks} WHERE id = $1`
	selectCall   = selectTask + ` WHERE id IN (SELECT task_id FROM {calls} WHERE provider = $1 AND call_id = $2) ORDER BY id`
	selectSum    = `SELECT status, count(*), sum(cost_usd) FROM {tasks}`

	// {want} is a list of ($3, $4), ($5, $6) ...: scope and most. In SQLite the
	// last parameter is the time.
	insertLease = `WITH want(scope, most) AS (VALUES {want})
	INSERT INTO {leases} (scope, holder, until_at)
	SELECT scope, CAST($1 AS text), CAST($2 AS bigint) FROM want
	WHERE NOT EXISTS (SELECT 1 FROM want AS w WHERE w.most <= (
		SELECT count(*) FROM {leases} AS l WHERE l.scope = w.scope AND l.holder <> CAST($1 AS text) AND l.until_at > {now}))
	ON CONFLICT (scope, holder) DO UPDATE SET until_at = excluded.until_at`
	// {scopes} is $2, $3 ...: what the holder keeps. Who deletes expired leases of
	// others must not wait for them, or two could wait for each other.
	deleteLeasesPostgres = `WITH old AS (
	SELECT scope, holder FROM {leases} WHERE (holder = $1 AND scope NOT IN ({scopes})) OR until_at <= {now} FOR UPDATE SKIP LOCKED)
	DELETE FROM {leases} AS l USING old WHERE l.scope = old.scope AND l.holder = old.holder`
	deleteLeasesSQLite = `DELETE FROM {leases} WHERE (holder = $1 AND scope NOT IN ({scopes})) OR until_at <= {now}`
	deleteHolder       = `DELETE FROM {leases} WHERE holder = $1`

	// nowPostgres is the start of the statement, one time for all its columns.
	nowPostgres = `CAST(extract(epoch FROM statement_timestamp()) * 1000000 AS bigint)`
)

// queries are the texts for one prefix and dialect.
type queries struct {
	expand *strings.Replacer

	create, update                 string
	createCalls, updateCalls       string // with new calls; PostgreSQL only
	get, exists, call, list, sum   string
	insertLease, deleteLeases, end string
}

func newQueries(n names) queries {
	pairs := []string{
		"{tasks}", n.qualified("tasks"),
		"{calls}", n.qualified("calls"),
		"{leases}", n.qualified("leases"),
	}
	insert, update, deleteLeases := insertPostgres, updatePostgres, deleteLeasesPostgres
	if n.dialect == Postgres {
		pairs = append(pairs, "{now}", nowPostgres)
	} else {
		pairs = append(pairs, "$", "?")
		insert, update, deleteLeases = insertSQLite, updateSQLite, deleteLeasesSQLite
	}
	q := queries{expand: strings.NewReplacer(pairs...)}
	x := q.expand.Replace
	q.create, q.createCalls = x(insert), x(callsBefore+insert+callsAfter)
	q.update, q.updateCalls = x(update), x(callsBefore+update+callsAfter)
	q.get, q.exists, q.call, q.list, q.sum = x(selectGet), x(selectExists), x(selectCall), x(selectTask), x(selectSum)
	// These are completed and expanded for each Acquire.
	q.insertLease, q.deleteLeases, q.end = insertLease, deleteLeases, x(deleteHolder)
	return q
}
