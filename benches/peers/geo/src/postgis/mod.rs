//! `PostGIS`: a table of geographies with an index, and a function that is called once for each arrival.
//!
//! One connection at a time, so nothing locks the row that was found; with several, it would have to.

use crate::player::Peer;
use crate::trace::{Person, PersonId, Step};
use anyhow::Result;
use futures_util::future::try_join_all;
use std::path::Path;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls, Statement};

/// People are let in by so many at once.
const FILL_AT_ONCE: usize = 10_000;

/// What is set for a connection: a plan is made once, by estimates that don't depend on who comes.
const SETTINGS: &str = "SET plan_cache_mode = force_generic_plan";

const FILL: &str = "INSERT INTO waiting SELECT id, ST_MakePoint(lon, lat)::geography, range_m \
    FROM unnest($1::int[], $2::float8[], $3::float8[], $4::float8[]) AS people (id, lon, lat, range_m)";

/// What is indexed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Index {
    /// Places; the nearest come first.
    Places,
    /// Boxes around whom anybody would go to.
    Reaches,
}

pub(crate) struct PostGis {
    runtime: Runtime,
    client: Client,
    index: Index,
    statements: Option<Statements>,
}

struct Statements {
    arrive: Statement,
    depart: Statement,
    let_in: Statement,
    nothing: Statement,
}

impl PostGis {
    /// Each way has a schema of the database for itself.
    pub(crate) fn connect(folder: &Path, index: Index) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let client = runtime.block_on(async {
            let settings = format!("host={} user=postgres dbname=postgres", folder.display());
            let (client, connection) = tokio_postgres::connect(&settings, NoTls).await?;
            tokio::spawn(connection);
            client.batch_execute(SETTINGS).await?;
            Ok::<_, anyhow::Error>(client)
        })?;
        Ok(Self {
            runtime,
            client,
            index,
            statements: None,
        })
    }

    async fn prepare(&self) -> Result<Statements> {
        Ok(Statements {
            arrive: self.client.prepare("SELECT arrive($1, $2, $3, $4)").await?,
            depart: self
                .client
                .prepare("DELETE FROM waiting WHERE id = $1")
                .await?,
            let_in: self
                .client
                .prepare("INSERT INTO waiting VALUES ($1, ST_MakePoint($2, $3)::geography, $4)")
                .await?,
            nothing: self.client.prepare("SELECT 1").await?,
        })
    }

    fn statements(&self) -> &Statements {
        self.statements.as_ref().expect("the room was filled first")
    }

    async fn take_one(&self, step: &Step) -> Result<Option<PersonId>> {
        let statements = self.statements();
        match step {
            Step::Arrive(person) => {
                let (lat, lon) = person.degrees();
                let (id, range_m) = (person.id.cast_signed(), person.range.metres());
                let row = self
                    .client
                    .query_one(&statements.arrive, &[&id, &lon, &lat, &range_m])
                    .await?;
                let met: Option<i32> = row.get(0);
                Ok(met.map(TryInto::try_into).transpose()?)
            }
            Step::Depart(person) => {
                let id = person.id.cast_signed();
                self.client.execute(&statements.depart, &[&id]).await?;
                Ok(None)
            }
            Step::LetIn(person) => {
                let (lat, lon) = person.degrees();
                let (id, range_m) = (person.id.cast_signed(), person.range.metres());
                self.client
                    .execute(&statements.let_in, &[&id, &lon, &lat, &range_m])
                    .await?;
                Ok(None)
            }
        }
    }
}

impl Peer for PostGis {
    fn name(&self) -> &'static str {
        match self.index {
            Index::Places => "PostGIS, KNN",
            Index::Reaches => "PostGIS, boxes of reach",
        }
    }

    fn can_pipeline(&self) -> bool {
        true
    }

    fn is_exact(&self) -> bool {
        true
    }

    fn fill(&mut self, people: &[Person]) -> Result<()> {
        let (schema, tables, indexes) = match self.index {
            Index::Places => (
                "knn",
                include_str!("knn.sql"),
                include_str!("knn_index.sql"),
            ),
            Index::Reaches => (
                "reach",
                include_str!("reach.sql"),
                include_str!("reach_index.sql"),
            ),
        };
        let anew = format!(
            "CREATE EXTENSION IF NOT EXISTS postgis; DROP SCHEMA IF EXISTS {schema} CASCADE; \
             CREATE SCHEMA {schema}; SET search_path = {schema}, public;"
        );
        self.runtime.block_on(async {
            self.client.batch_execute(&anew).await?;
            self.client.batch_execute(tables).await?;
            for people in people.chunks(FILL_AT_ONCE) {
                let ids: Vec<i32> = people
                    .iter()
                    .map(|person| person.id.cast_signed())
                    .collect();
                let (lats, lons): (Vec<f64>, Vec<f64>) = people.iter().map(Person::degrees).unzip();
                let ranges: Vec<f64> = people.iter().map(|person| person.range.metres()).collect();
                self.client
                    .execute(FILL, &[&ids, &lons, &lats, &ranges])
                    .await?;
            }
            self.client.batch_execute(indexes).await?;
            self.client.batch_execute("VACUUM ANALYZE waiting").await?;
            Ok::<_, anyhow::Error>(())
        })?;
        self.statements = Some(self.runtime.block_on(self.prepare())?);
        Ok(())
    }

    fn take(&mut self, steps: &[Step]) -> Result<Vec<Option<PersonId>>> {
        // All are sent before the first is answered, and answered in the same order.
        self.runtime
            .block_on(try_join_all(steps.iter().map(|step| self.take_one(step))))
    }

    fn bare_round_trip(&mut self) -> Result<()> {
        let nothing = &self.statements().nothing;
        self.runtime.block_on(self.client.execute(nothing, &[]))?;
        Ok(())
    }
}
