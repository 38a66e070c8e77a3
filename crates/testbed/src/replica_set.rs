//! A MongoDB replica set of several members, for changes of the primary.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mongodb::bson::{Bson, Document, doc};

use crate::mongo::{Mongo, with_path};
use crate::wait::{eventually, fresh_prefix};

/// An election takes two to five seconds here; more when every core compiles.
const ELECTION_LIMIT: Duration = Duration::from_secs(60);

/// A replica set whose members all belong to the test. Dropping it ends them.
#[derive(Debug)]
pub struct ReplicaSet {
    members: Vec<Mongo>,
}

impl Mongo {
    /// Starts a replica set of `count` members (three, to survive the loss of one) and awaits that it takes writes
    /// with every member ready to vote.
    ///
    /// # Errors
    /// When none is installed (the error names the command that does), or it does not start.
    pub async fn start_replica_set(count: usize) -> Result<ReplicaSet> {
        ensure!((1..=7).contains(&count), "a replica set has one to seven voting members");
        let mut members = Vec::new();
        for _ in 0..count {
            members.push(Self::start_uninitiated().await?);
        }
        let listed: Vec<Document> = members
            .iter()
            .enumerate()
            .map(|(id, member)| doc! { "_id": Bson::Int64(id as i64), "host": member.addr().to_string() })
            .collect();
        members[0]
            .initiate(doc! {
                "_id": "rs0",
                "members": listed,
                "settings": { "electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500 },
            })
            .await?;
        let set = ReplicaSet { members };
        for member in &set.members {
            member.wait_until_serving().await?;
        }
        set.wait_for_primary().await?;
        Ok(set)
    }
}

impl ReplicaSet {
    /// A URI that names every member, without a database.
    #[must_use]
    pub fn uri(&self) -> String {
        let hosts: Vec<String> = self.members.iter().map(|member| member.addr().to_string()).collect();
        format!("mongodb://{}/?replicaSet=rs0", hosts.join(","))
    }

    /// That URI with a new prefix for database names as its path, as `LEADLINE_STORE` takes it.
    #[must_use]
    pub fn fresh_uri(&self) -> String {
        with_path(&self.uri(), &fresh_prefix())
    }

    /// The members in the order of their ids.
    #[must_use]
    pub fn members(&self) -> &[Mongo] {
        &self.members
    }

    /// A member by its id, to be killed or started again.
    ///
    /// # Errors
    /// When there is none of that id.
    pub fn member(&mut self, id: usize) -> Result<&mut Mongo> {
        self.members.get_mut(id).context("the replica set has no such member")
    }

    /// Awaits that there is a primary and gives its id.
    ///
    /// # Errors
    /// When none is elected within a minute.
    pub async fn wait_for_primary(&self) -> Result<usize> {
        eventually(ELECTION_LIMIT, "the replica set has a primary", async || {
            for (id, member) in self.members.iter().enumerate() {
                if member.is_primary().await {
                    return Ok(id);
                }
            }
            anyhow::bail!("no member is primary")
        })
        .await
    }

    /// Makes the primary step down, awaits the next one, and gives its id.
    ///
    /// # Errors
    /// When none is elected within a minute.
    pub async fn step_down(&self) -> Result<usize> {
        let old = self.wait_for_primary().await?;
        self.members[old].step_down(30).await?;
        self.wait_for_primary().await
    }

    /// Kills the primary, awaits the next one, and gives the ids of both: the dead one's and the new one's.
    ///
    /// # Errors
    /// When none is elected within a minute.
    pub async fn kill_primary(&mut self) -> Result<(usize, usize)> {
        let old = self.wait_for_primary().await?;
        self.members[old].kill().await?;
        Ok((old, self.wait_for_primary().await?))
    }
}
