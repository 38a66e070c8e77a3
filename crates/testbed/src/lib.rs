//! What tests need of the world: a MongoDB, a RabbitMQ, programs, folders, disks, ports and patience.
//!
//! Everything started here ends with the value that stands for it, and also when the test process is killed outright.
//! A server that is not installed is an error that names the command which installs it; no test is skipped for it.

mod folder;
mod hostile;
pub mod messages;
mod mongo;
mod process;
mod proxy;
mod rabbit;
mod replica_set;
mod small_disk;
mod wait;

pub use folder::Folder;
pub use hostile::throw;
pub use mongo::{Certificates, MONGODB_URL, Mongo, SharedMongo, mongo};
pub use process::Process;
pub use proxy::Proxy;
pub use rabbit::{AMQP_URL, Rabbit, SharedRabbit, rabbit};
pub use replica_set::ReplicaSet;
pub use small_disk::SmallDisk;
pub use wait::{eventually, free_port, fresh_prefix, wait_until};
