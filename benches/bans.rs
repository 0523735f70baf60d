//! What it costs to see whether somebody is banned, however many are: by the table that the server has, and by a look at all.
//!
//! `cargo bench --bench bans`. Half of the bans are about guests, the others about address ranges of many lengths, IPv4 and IPv6.
//! Those who are looked for are hardly ever banned, as in life. A look is what each new connection and each `join` costs.

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use ipnet::IpNet;
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use whisperchat::private::Private;
use whisperchat::server::Bans;
use whisperchat::store::{Ban, Measure, Subject};

const NOW_MS: i64 = 1_800_000_000_000;

/// How many are banned.
const BANS: [usize; 3] = [1000, 100_000, 1_000_000];

fn subject(random: &mut StdRng) -> Subject {
    Subject(random.random())
}

fn address(random: &mut StdRng) -> IpAddr {
    if random.random_bool(0.7) {
        Ipv4Addr::from_bits(random.next_u32()).into()
    } else {
        // The part of IPv6 that is given to people.
        Ipv6Addr::from_bits(0x2000 << 112 | (random.random::<u128>() >> 3)).into()
    }
}

fn range(random: &mut StdRng) -> IpNet {
    let address = address(random);
    let length = if address.is_ipv4() {
        random.random_range(22..=32)
    } else {
        random.random_range(40..=64)
    };
    IpNet::new(address, length)
        .expect("so long is possible")
        .trunc()
}

fn bans(count: usize) -> Vec<Ban> {
    let random = &mut StdRng::seed_from_u64(1);
    (0..count)
        .map(|number| {
            let is_about_guest = number % 2 == 0;
            Ban {
                id: i64::try_from(number).expect("a million is a number"),
                measure: Measure::Ban,
                subject: is_about_guest.then(|| subject(random)),
                network: (!is_about_guest).then(|| Private::new(range(random).to_string())),
                reason: "You have insulted others.".to_owned(),
                appeal: None,
                report: None,
                created_at_ms: 0,
                created_by: "bench".to_owned(),
                expires_at_ms: Some(NOW_MS + 1),
                lifted_at_ms: None,
                lifted_by: None,
                version: 1,
            }
        })
        .collect()
}

/// The obvious way: all of them, one after the other.
fn is_among(bans: &[(Option<Subject>, Option<IpNet>)], who: &Subject, address: IpAddr) -> bool {
    bans.iter().any(|(subject, network)| {
        subject.is_none_or(|subject| subject == *who)
            && network.is_none_or(|network| network.contains(&address))
    })
}

fn look(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("bans");
    for count in BANS {
        let rows = bans(count);
        let table = Bans::default();
        for ban in &rows {
            table.apply(ban, NOW_MS);
        }
        let all: Vec<_> = rows
            .iter()
            .map(|ban| {
                let network = ban
                    .network
                    .as_ref()
                    .map(|text| text.parse().expect("it was written so"));
                (ban.subject, network)
            })
            .collect();
        let mut random = StdRng::seed_from_u64(2);
        let mut somebody = move || (subject(&mut random), address(&mut random));
        check(&table, &all, &rows, &mut somebody);
        group.bench_function(BenchmarkId::new("table", count), |bencher| {
            bencher.iter_batched(
                &mut somebody,
                |(who, from)| black_box(table.keep_out(Some(&who), from, NOW_MS)),
                BatchSize::SmallInput,
            );
        });
        group.bench_function(BenchmarkId::new("scan", count), |bencher| {
            bencher.iter_batched(
                &mut somebody,
                |(who, from)| black_box(is_among(&all, &who, from)),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// Both ways agree, about whoever comes and about those who are banned.
fn check(
    table: &Bans,
    all: &[(Option<Subject>, Option<IpNet>)],
    rows: &[Ban],
    somebody: &mut impl FnMut() -> (Subject, IpAddr),
) {
    for ban in rows.iter().take(200) {
        let (who, from) = somebody();
        let network = ban
            .network
            .as_ref()
            .map(|text| text.parse::<IpNet>().expect("it was written so"));
        for (who, from) in [
            (who, from),
            (
                ban.subject.unwrap_or(who),
                network.map_or(from, |network| network.addr()),
            ),
        ] {
            assert_eq!(
                table.keep_out(Some(&who), from, NOW_MS),
                is_among(all, &who, from)
            );
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = look
}
criterion_main!(benches);
