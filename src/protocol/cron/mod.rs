//! `cron.*`: jobs, their runs, and the `cron` event (protocol §6, "Cron"). One file each for what a job is, for asking
//! what jobs there are, for changing them, and for running them.

mod edit;
mod job;
mod list;
mod run;

pub use edit::*;
pub use job::*;
pub use list::*;
pub use run::*;

use super::methods;

methods![CronList, CronStatus, CronGet, CronAdd, CronUpdate, CronRemove, CronRun, CronRuns];
