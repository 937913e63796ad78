package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"

	"github.com/superservices/voice/store"
	"github.com/superservices/voice/store/sqlstore"
)

func ExampleNew() {
	ctx := context.Background()
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL")) // import _ "github.com/jackc/pgx/v5/stdlib"
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	tasks, err := sqlstore.New(db, sqlstore.Config{Dialect: sqlstore.Postgres})
	if err != nil {
		log.Fatal(err)
	}
	if err := tasks.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	summary, err := tasks.Summarize(ctx, store.Query{RunID: "run-1"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(summary.RunStatus(), summary.CostUSD)
}

// Your own tool runs the scripts: write them to its folder.
func ExampleMigrations() {
	steps, err := sqlstore.Migrations(sqlstore.Config{Dialect: sqlstore.SQLite})
	if err != nil {
		log.Fatal(err)
	}
	for _, step := range steps {
		fmt.Printf("%04d_%s.sql\n", step.Version, step.Name)
	}
	// Output: 0001_tasks.sql
}
