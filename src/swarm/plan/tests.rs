use super::*;

const MACHINE: Machine = Machine {
    open_files: 20_000,
    ports: 28_000,
};

fn planned(toml: &str) -> Result<Plan, PlanError> {
    Plan::new(
        &toml::from_str(toml).expect("the options can be read"),
        MACHINE,
    )
}

fn refused(toml: &str) -> String {
    planned(toml).expect_err(toml).to_string()
}

#[test]
fn every_scenario_has_defaults_for_everything() {
    for scenario in Scenario::ALL {
        let plan = planned(&format!("scenario = '{}'", scenario.name())).unwrap();
        assert_eq!((plan.scenario, plan.processes), (scenario, 1));
        assert_eq!(plan.server.to_string(), "127.0.0.1:8080");
    }
}

#[test]
fn an_option_of_another_scenario_is_refused_with_whose_it_is() {
    let cases = [
        (
            "scenario = 'chat'\narrivals = 10",
            "--arrivals is not for `chat`, but for crowd",
        ),
        (
            "scenario = 'crowd'\nramp = 10",
            "--ramp is not for `crowd`, but for idle, chat, storm",
        ),
        ("scenario = 'idle'\nbytes = 64", "--bytes is not for `idle`"),
        (
            "scenario = 'slow'\ndrop_every = 1",
            "--drop-every is not for `slow`, but for storm",
        ),
    ];
    for (toml, expected) in cases {
        let refused = refused(toml);
        assert!(refused.contains(expected), "{refused}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_the_way_to_say_it_right() {
    let cases = [
        ("", "whisperchat swarm chat"),
        (
            "scenario = 'chat'\nconnections = 3",
            "must be even, such as 4",
        ),
        (
            "scenario = 'chat'\nconnections = 0",
            "--connections must be 1 to 1000000",
        ),
        (
            "scenario = 'chat'\nclassic = 1.5",
            "--classic must be 0 to 1, not 1.5",
        ),
        (
            "scenario = 'chat'\nbytes = 10",
            "--bytes must be 52 to 2000, not 10",
        ),
        (
            "scenario = 'chat'\nconnections = 4\nprocesses = 3",
            "shared by at most 2",
        ),
        (
            "scenario = 'storm'\nduration = 5",
            "--drop-every (10 s) must be less than --duration (5 s)",
        ),
        (
            "scenario = 'storm'\nreturn_within = 10",
            "--return-within (10 s) must be less",
        ),
        (
            "scenario = 'stadium'\nramp = 60",
            "--ramp must be at most 5 s",
        ),
        (
            "scenario = 'crowd'\narrivals = 1000000",
            "take a lower rate",
        ),
        ("scenario = 'idle'\nserver = 'wss://127.0.0.1'", "--server"),
    ];
    for (toml, expected) in cases {
        let refused = refused(toml);
        assert!(refused.contains(expected), "{toml}: {refused}");
        assert_eq!(refused.lines().count(), 1, "{refused}");
    }
}

#[test]
fn what_one_process_can_not_hold_is_shared() {
    let plan = planned("scenario = 'idle'\nconnections = 25000").unwrap();
    assert_eq!(plan.processes, 2);
    let refused = refused("scenario = 'idle'\nconnections = 25000\nprocesses = 1");
    assert!(refused.contains("take --processes 2"), "{refused}");
}

#[test]
fn what_one_address_can_not_hold_needs_more() {
    let refused = refused("scenario = 'idle'\nconnections = 60000");
    assert!(refused.contains("take --sources 127.0.0.2-4"), "{refused}");
    let toml = "scenario = 'idle'\nconnections = 60000\nsources = '127.0.0.2-4'";
    assert_eq!(planned(toml).unwrap().sources.len(), 3);
}

#[test]
fn sources_that_do_not_reach_the_server_are_refused() {
    for (server, sources) in [
        ("127.0.0.1:1", "192.0.2.1"),
        ("192.0.2.1:1", "127.0.0.2"),
        ("127.0.0.1:1", "::1"),
    ] {
        let toml = format!("scenario = 'idle'\nserver = '{server}'\nsources = '{sources}'");
        assert!(refused(&toml).contains("can't reach"), "{toml}");
    }
}

#[test]
fn messages_are_as_long_as_asked_for() {
    let plan = planned("scenario = 'chat'\nbytes = '100..200'").unwrap();
    let sizes: Vec<_> = (0..1000).map(|number| plan.bytes_of(7, number)).collect();
    assert!(sizes.iter().all(|bytes| (100..=200).contains(bytes)));
    assert!(sizes.iter().min() < Some(&110) && sizes.iter().max() > Some(&190));
    assert_eq!(plan.bytes_of(7, 5), sizes[5]);
}
