//! `system.info`: the machine that the gateway runs on, as far as its kernel tells.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Context, System, Table};
use crate::protocol::access::Scope;
use crate::protocol::system::{InfoReply, SystemInfo};
use crate::protocol::{ErrorShape, NoParams};

#[derive(Clone)]
struct Machine {
    system: System,
    state_dir: PathBuf,
    port: u16,
}

pub(super) fn register(table: &mut Table, system: &System, state_dir: &Path, port: u16) {
    let machine = Machine { system: system.clone(), state_dir: state_dir.to_owned(), port };
    table.on(SystemInfo, &machine, info);
}

async fn info(machine: Machine, context: Context, _: NoParams) -> Result<InfoReply, ErrorShape> {
    let name = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let (system_name, release, hostname) = (text(name.sysname()), text(name.release()), text(name.nodename()));
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let disk = rustix::fs::statvfs(&machine.state_dir).ok();
    let is_admin = context.caller.may(Scope::Admin);
    Ok(InfoReply {
        machine_name: hostname.clone(),
        hostname,
        platform: node_platform().to_owned(),
        arch: node_architecture().to_owned(),
        os_label: format!("{system_name} {release}"),
        release,
        port: machine.port,
        node_version: String::new(),
        pid: std::process::id(),
        uptime_ms: machine.system.uptime_ms(),
        cpu_count: std::thread::available_parallelism().map_or(1, usize::from),
        cpu_model: fs::read_to_string("/proc/cpuinfo")
            .ok()
            .and_then(|text| field(&text, "model name").map(str::to_owned)),
        load_average: fs::read_to_string("/proc/loadavg").ok().and_then(|text| load_average(&text)),
        memory_total_bytes: kibibytes(&memory, "MemTotal"),
        memory_free_bytes: kibibytes(&memory, "MemAvailable"),
        disk_total_bytes: disk.as_ref().map(|disk| disk.f_blocks.saturating_mul(disk.f_frsize)),
        disk_available_bytes: disk.as_ref().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
        disk_path: (is_admin && disk.is_some()).then(|| machine.state_dir.display().to_string()),
    })
}

/// In Node's words, which clients compare with.
fn node_platform() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    }
}

fn node_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        "x86" => "ia32",
        other => other,
    }
}

/// The value of a `name : value` line.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim())
}

/// 0 where the kernel does not say.
fn kibibytes(text: &str, name: &str) -> u64 {
    let count = field(text, name).and_then(|value| value.split(' ').next()?.parse::<u64>().ok());
    count.unwrap_or(0).saturating_mul(1_024)
}

fn load_average(text: &str) -> Option<[f64; 3]> {
    let mut numbers = text.split(' ').map_while(|number| number.parse().ok());
    Some([numbers.next()?, numbers.next()?, numbers.next()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        assert_eq!(field("a : b\nmodel name\t: Xeon: 5\n", "model name"), Some("Xeon: 5"));
        assert_eq!(kibibytes("MemTotal:       24684096 kB\n", "MemTotal"), 24_684_096 * 1_024);
        assert_eq!(kibibytes("", "MemTotal"), 0);
        assert_eq!(load_average("0.50 1.25 2 1/200 77"), Some([0.5, 1.25, 2.0]));
        assert_eq!(load_average("x"), None);
    }
}
