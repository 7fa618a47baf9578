//! Where scenarios play: all clients on one thread, against the server that the arguments name.

use tokio::task::LocalSet;

use crate::failure::Failure;
use crate::report::{Figures, Report};
use crate::target::{Target, TargetArgs};

/// Plays a scenario against the server that the arguments name; one that was started for it has to end well too.
pub(crate) fn play<F: Figures>(
    args: &TargetArgs,
    scenario: impl AsyncFnOnce(&Target) -> Result<Report<F>, Failure>,
) -> Result<Report<F>, Failure> {
    play_with(args, &[], scenario)
}

/// The same; a server that is started for it has these settings, by the names of their variables.
pub(crate) fn play_with<F: Figures>(
    args: &TargetArgs,
    settings: &[(&str, &str)],
    scenario: impl AsyncFnOnce(&Target) -> Result<Report<F>, Failure>,
) -> Result<Report<F>, Failure> {
    let target = Target::open_with(args, settings)?;
    let mut report = on_this_thread(scenario(&target))?;
    target.close(&mut report.complaints);
    Ok(report)
}

/// Runs clients to the end of `playing`; those that are left are closed.
pub(crate) fn on_this_thread<T>(playing: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = built.map_err(|error| Failure::run("starting the clients", error))?;
    LocalSet::new().block_on(&runtime, playing)
}
