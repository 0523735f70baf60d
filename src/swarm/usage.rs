//! What the system says of the server's process, when it runs on this machine.

use serde::{Deserialize, Serialize};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// What `/proc` counts processor time in: `USER_HZ`, which is 100 on every Linux.
const TICKS_PER_S: f64 = 100.0;

/// The state of a socket that listens, in `/proc/net/tcp`.
const LISTENS: &str = "0A";

/// A process of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pid: u32,
}

/// What a process has used at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Resident memory, in bytes.
    pub resident_bytes: u64,
    /// Processor time so far, in seconds.
    pub cpu_s: f64,
}

impl Process {
    /// The process with this number; `None` if there is none that can be looked at.
    pub(super) fn of_pid(pid: u32) -> Option<Self> {
        let process = Self { pid };
        process.usage().map(|_| process)
    }

    /// The process that listens at an address; `None` if none does on this machine, or it is another user's.
    pub(super) fn listening_at(address: SocketAddr) -> Option<Self> {
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
        let inode = tables
            .iter()
            .flatten()
            .find_map(|table| listening_inode(table, address))?;
        let socket = PathBuf::from(format!("socket:[{inode}]"));
        let holds = |pid: &u32| {
            fs::read_dir(format!("/proc/{pid}/fd")).is_ok_and(|descriptors| {
                descriptors
                    .flatten()
                    .any(|entry| fs::read_link(entry.path()).is_ok_and(|link| link == socket))
            })
        };
        let mut pids = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| {
            let name = entry.file_name();
            name.to_str()?.parse().ok()
        });
        pids.find(holds).map(|pid| Self { pid })
    }

    pub(super) fn pid(self) -> u32 {
        self.pid
    }

    /// What it has used so far; `None` once it has ended.
    pub(super) fn usage(self) -> Option<Usage> {
        let read = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", self.pid)).ok();
        Some(Usage {
            resident_bytes: resident_bytes(&read("status")?)?,
            cpu_s: cpu_s(&read("stat")?)?,
        })
    }
}

/// The inode of the socket that listens at an address, or at its port of any address.
fn listening_inode(table: &str, address: SocketAddr) -> Option<&str> {
    let mut found = None;
    for line in table.lines().skip(1) {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let (Some(local), Some(state), Some(inode)) = (fields.get(1), fields.get(3), fields.get(9))
        else {
            continue;
        };
        let Some((ip, port)) = local.split_once(':') else {
            continue;
        };
        if *state != LISTENS || u16::from_str_radix(port, 16) != Ok(address.port()) {
            continue;
        }
        if ip == hexadecimal(address.ip()) {
            return Some(inode);
        }
        if ip.bytes().all(|digit| digit == b'0') {
            found = Some(*inode);
        }
    }
    found
}

/// An address as the kernel prints it: words of four bytes in the machine's own order.
fn hexadecimal(ip: IpAddr) -> String {
    let octets = match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let words = octets.chunks_exact(4).map(|word| {
        let word = u32::from_ne_bytes([word[0], word[1], word[2], word[3]]);
        format!("{word:08X}")
    });
    words.collect()
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Fields 14 and 15 of `/proc/PID/stat`; the second field, a name in parentheses, may hold spaces.
fn cpu_s(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_S)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn the_process_behind_a_port_is_found() {
        for at in ["127.0.0.1:0", "0.0.0.0:0"] {
            let listener = TcpListener::bind(at).unwrap();
            let port = listener.local_addr().unwrap().port();
            let process = Process::listening_at(([127, 0, 0, 1], port).into()).unwrap();
            assert_eq!(process.pid(), std::process::id());
            let usage = process.usage().unwrap();
            assert!(usage.resident_bytes > 100_000, "{usage:?}");
        }
    }

    #[test]
    fn nobody_listens_at_a_port_that_is_only_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert_eq!(Process::listening_at(address), None);
        assert_eq!(Process::of_pid(u32::MAX), None);
    }

    #[test]
    fn the_kernels_tables_are_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0\n   1: 0100007F:1F91 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 0\n";
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        assert_eq!(listening_inode(table, at(8080)), Some("4242"));
        assert_eq!(listening_inode(table, at(8081)), None);
        assert_eq!(
            hexadecimal("::1".parse().unwrap()),
            "00000000000000000000000001000000"
        );
        let stat = "7 (a b) c) S 1 1 1 0 -1 0 0 0 0 0 150 50 0 0";
        assert_eq!(cpu_s(stat), Some(2.0));
        assert_eq!(
            resident_bytes("Name:\tx\nVmRSS:\t    12 kB\n"),
            Some(12_288)
        );
    }
}
