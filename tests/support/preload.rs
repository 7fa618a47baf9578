//! Libraries in C that are loaded before the system's, so that a server finds another clock or another disk than there is.

use std::process::Command;

use super::home::Home;

/// Compiles a library under that name; its path, as `LD_PRELOAD` takes it.
///
/// # Errors
/// Why that is not possible here.
pub(crate) fn compile(home: &Home, name: &str, source: &str) -> Result<String, String> {
    let (from, library) = (home.path(&format!("{name}.c")), home.path(&format!("{name}.so")));
    std::fs::write(&from, source).expect("a file");
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-shared", "-fPIC", "-o"]).arg(&library).arg(from).arg("-ldl");
    let output = compiler.output().map_err(|error| format!("cc does not start: {error}; install a C compiler"))?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(library.into_os_string().into_string().expect("a path is text"))
}
