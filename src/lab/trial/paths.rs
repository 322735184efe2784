//! Ways through the orchestration that are seldom gone: order, limits, what moved, what is gone, what cannot be had.

use std::time::Duration;

use super::bench::{Bench, FIVE, ONE, Verb, folder};
use super::guests::on_disk;
use crate::boxes::Store;
use crate::error::Kind;
use crate::lab::boxes::shelf::Shelf;
use crate::lab::tell::event::{Event, Outcome, Phase};
use crate::lab::verbs::up::Options;
use crate::provider::PowerState;
use crate::provider::fake::{Act, Call, Things};

/// A new user with a lab of `labfile`, until the folder is dropped.
fn bench(labfile: &str) -> (tempfile::TempDir, Bench) {
    let root = folder();
    let bench = Bench::new(root.path(), labfile);
    (root, bench)
}

/// All that was told, as text.
fn words(events: &[Event]) -> String {
    events.iter().map(|event| format!("{event:?}\n")).collect()
}

fn place(events: &[Event], what: impl Fn(&Event) -> bool) -> usize {
    events.iter().position(what).unwrap_or_else(|| panic!("{}", words(events)))
}

#[test]
fn after_orders_what_is_run_and_not_what_boots() {
    let (_root, bench) = bench(FIVE);
    // Until db1 is through, the others have all the time to boot.
    let web1 = |name: &'static str| move |event: &Event| matches!(event, Event::StepStarted { machine, .. } if machine == name);
    bench.run(Verb::Up).unwrap();
    let told = bench.said();
    let done = |name: &'static str| {
        place(&told, move |event| matches!(event, Event::Done { machine, .. } if machine == name))
    };
    assert!(done("db1") < place(&told, web1("web1")), "{}", words(&told));
    assert!(done("db1") < place(&told, web1("web2")));
    assert!(done("web1") < place(&told, web1("front")) && done("web2") < place(&told, web1("front")));
    let phase = |name: &'static str, phase: Phase| {
        place(
            &told,
            move |event| matches!(event, Event::Phase { machine, phase: at } if machine == name && *at == phase),
        )
    };
    for name in ["web1", "web2", "front", "far"] {
        assert!(
            phase(name, Phase::Starting) < done("front"),
            "{name} waited with its boot: {}",
            words(&told)
        );
    }
}

#[test]
fn the_others_boot_while_the_first_one_hangs() {
    let (_root, bench) = bench(FIVE);
    bench.world.plan(Call::first("step_begun", "db1"), Act::Hang);
    std::thread::scope(|scope| {
        let up = scope.spawn(|| bench.run(Verb::Up));
        let until = std::time::Instant::now() + Duration::from_secs(30);
        let run =
            |things: &Things| things.machines.values().filter(|one| one.power == PowerState::Running).count();
        while run(&bench.world.things()) < 5 {
            assert!(std::time::Instant::now() < until, "{}", words(&bench.said()));
            std::thread::sleep(Duration::from_millis(5));
        }
        bench.cancel.cancel();
        assert_eq!(up.join().unwrap().unwrap_err().kind(), Kind::Interrupted);
    });
    for name in ["web1", "web2", "front"] {
        assert!(bench.disk(name).steps.is_empty(), "{name} ran something before its turn");
    }
}

#[test]
fn with_one_job_machines_go_one_after_the_other() {
    let (_root, bench) = bench(FIVE);
    bench.up_with(&Options { jobs: Some(1), ..Options::default() }).unwrap().into_result().unwrap();
    let told = bench.said();
    // Whoever is at work is through, or waits for its turn, before another one goes on.
    let mut working: Option<String> = None;
    for event in &told {
        match event {
            Event::Phase { machine, .. } => {
                assert!(working.as_ref().is_none_or(|at| at == machine), "{}", words(&told));
                working = Some(machine.clone());
            }
            Event::Done { .. } | Event::Waiting { .. } => working = None,
            _ => {}
        }
    }
}

#[test]
fn one_that_fails_stops_only_those_that_come_after_it() {
    let (_root, bench) = bench(FIVE);
    bench.world.plan(Call::first("step_done", "web1"), Act::Fail(Kind::ProvisionFailed));
    let report = bench.up_with(&Options::default()).unwrap();
    let kinds: Vec<_> =
        report.machines.iter().map(|(_, result)| result.as_ref().err().map(|e| e.kind())).collect();
    let after = Some(Kind::DependencyFailed);
    assert_eq!(kinds[..4], [None, Some(Kind::ProvisionFailed), None, after]);
    let failure = |name: &str| {
        let status = bench.with(|lab| lab.status(&[name.to_owned()])).unwrap();
        (status.machines[0].ready, status.machines[0].failure.clone())
    };
    assert_eq!(failure("db1"), (true, None));
    assert_eq!(failure("web1"), (false, Some("step_done was told to fail".to_owned())));
    bench.world.plan_nothing();
    bench.run(Verb::Up).unwrap();
    assert_eq!(failure("web1"), (true, None));
    let once = bench.disk("web1").steps["run-once"].clone();
    assert_eq!((once.begun, once.done), (2, 1));
}

#[test]
fn a_port_that_is_taken_moves_and_is_told() {
    let (_root, bench) = bench(ONE);
    bench.run(Verb::Up).unwrap();
    let port = bench.machine("db1").ports[0];
    bench.run(Verb::Halt).unwrap();
    bench.said();
    let _other = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port)).unwrap();
    bench.world.meddle(|things| things.taken.insert(port));
    bench.run(Verb::Up).unwrap();
    let told = words(&bench.said());
    assert!(told.contains(&format!("port {port} is taken: ssh moves to")), "{told}");
    assert_ne!(bench.machine("db1").ports[0], port);
}

#[test]
fn a_forward_that_is_taken_is_an_error_unless_it_may_move() {
    let other = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = other.local_addr().unwrap().port();
    let forward = |auto: &str| format!("{ONE}[[machine.db1.forward]]\nhost = {port}\nguest = 80\n{auto}\n");
    let (_root, bench) = bench(&forward(""));
    let error = bench.run(Verb::Up).unwrap_err();
    assert_eq!(error.kind(), Kind::PortTaken, "{error}");
    bench.assert_nothing_left("a port was taken");
    bench.write(&forward("auto = true"));
    bench.run(Verb::Up).unwrap();
    let told = words(&bench.said());
    assert!(told.contains(&format!("port {port} is taken")), "{told}");
}

#[test]
fn a_machine_that_left_the_labfile_is_told_and_left_alone() {
    let (_root, bench) = bench("[lab]\nbox = \"small\"\n[machine.a]\n[machine.b]\n");
    bench.run(Verb::Up).unwrap();
    bench.work("work");
    bench.write("[lab]\nbox = \"small\"\n[machine.a]\n");
    bench.said();
    bench.run(Verb::Up).unwrap();
    let told = words(&bench.said());
    assert!(told.contains("is not in the Labfile any more"), "{told}");
    assert_eq!((bench.machine("b").power, bench.disk("b").work), (PowerState::Running, "work".to_owned()));
    bench.run(Verb::Destroy).unwrap();
    bench.assert_nothing_left("both are destroyed");
}

#[test]
fn what_a_provider_lacks_is_said_and_no_machine_is_less_ready() {
    let (_root, bench) = bench(ONE);
    bench.world.meddle(|things| (things.without_snapshots, things.without_suspend) = (true, true));
    bench.run(Verb::Up).unwrap();
    for verb in [Verb::Suspend, Verb::Save, Verb::Reset] {
        let error = bench.run(verb).unwrap_err();
        assert_eq!(error.kind(), Kind::WrongState, "{verb:?}");
        assert!(error.message().starts_with("fake cannot"), "{error}");
        assert!(!error.hints().is_empty(), "{verb:?}");
    }
    assert_eq!(bench.machine("db1").power, PowerState::Running);
}

#[test]
fn a_box_that_is_gone_is_named_with_what_to_type() {
    let (_root, bench) = bench(ONE);
    bench.run(Verb::Up).unwrap();
    bench.run(Verb::Halt).unwrap();
    let digest = bench.world.things().bases.into_iter().next().unwrap();
    std::fs::remove_dir_all(bench.home.root().join("boxes").join(digest)).unwrap();
    let error = bench.run(Verb::Up).unwrap_err();
    assert_eq!(error.kind(), Kind::BoxNotFound, "{error}");
    assert!(error.message().contains("the box small"), "{error}");
    bench.run(Verb::Destroy).unwrap();
    bench.assert_nothing_left("its box was gone");
}

#[test]
fn a_box_is_kept_while_a_machine_is_made_from_it() {
    let (_root, bench) = bench(ONE);
    bench.run(Verb::Up).unwrap();
    let (context, store) = (bench.context(), Store::open(bench.home.root()).unwrap());
    let shelf = Shelf::new(&context, &store).unwrap();
    let shelved = shelf.get("small").unwrap();
    assert_eq!(shelved.users.iter().map(|user| user.machine.as_str()).collect::<Vec<_>>(), ["db1"]);
    assert_eq!(shelf.remove("small").unwrap_err().kind(), Kind::BoxInUse);
    assert!(shelf.unneeded(true).unwrap().boxes.is_empty());
    bench.run(Verb::Destroy).unwrap();
    shelf.remove("small").unwrap();
    assert!(bench.world.things().bases.is_empty(), "its base image goes with it");
}

#[test]
fn a_deaf_guest_is_cut_off_after_its_patience() {
    let (_root, bench) = bench(ONE);
    bench.run(Verb::Up).unwrap();
    bench.world.meddle(|things| things.machines.values_mut().for_each(|machine| machine.is_deaf = true));
    bench.said();
    bench.run(Verb::Halt).unwrap();
    assert_eq!(bench.machine("db1").power, PowerState::Off);
    assert!(words(&bench.said()).contains("cutting its power"));
}

#[test]
fn who_stops_a_hanging_call_is_heard_and_the_next_up_goes_on() {
    for what in ["create", "start", "login", "set_up", "step_done", "take"] {
        let (_root, bench) = bench(ONE);
        bench.world.plan(Call::first(what, "db1"), Act::Hang);
        std::thread::scope(|scope| {
            let up = scope.spawn(|| bench.run(Verb::Up));
            let hangs = || bench.world.calls().iter().any(|seen| seen.call.what == what);
            while !hangs() {
                std::thread::sleep(Duration::from_millis(1));
            }
            bench.cancel.cancel();
            assert_eq!(up.join().unwrap().unwrap_err().kind(), Kind::Interrupted, "{what}");
        });
        let bench = Bench::open(bench.dir.parent().unwrap());
        bench.world.plan_nothing();
        bench.run(Verb::Up).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(bench.disk("db1").steps["run-once"].done, 1, "{what}");
    }
}

#[test]
fn what_fails_of_the_provider_is_told_and_the_next_up_goes_on() {
    for what in ["create", "start", "wait", "login", "set_up", "secure", "step", "step_done", "list", "take"]
    {
        let (_root, bench) = bench(ONE);
        bench.world.plan(Call::first(what, "db1"), Act::Fail(Kind::ProgramFailed));
        let report = bench.up_with(&Options::default()).unwrap();
        let ready = report.into_result().is_ok();
        // A snapshot that cannot be had is a warning.
        assert_eq!(ready, matches!(what, "list" | "take"), "{what}");
        bench.world.plan_nothing();
        bench.run(Verb::Up).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(bench.disk("db1").steps["run-once"].done, 1, "{what}");
    }
}

#[test]
fn a_guest_with_another_host_key_is_not_entered() {
    let (_root, bench) = bench(ONE);
    bench.run(Verb::Up).unwrap();
    bench.run(Verb::Halt).unwrap();
    bench.world.meddle(|things| {
        things.machines.values_mut().for_each(|machine| {
            on_disk(machine, |disk| disk.host_key = Some("another".to_owned()));
        });
    });
    let error = bench.run(Verb::Up).unwrap_err();
    assert_eq!(error.kind(), Kind::HostKeyChanged, "{error}");
}

#[test]
fn what_was_ready_is_not_touched_again() {
    let (_root, bench) = bench(FIVE);
    bench.run(Verb::Up).unwrap();
    bench.world.plan_nothing();
    let report = bench.up_with(&Options::default()).unwrap();
    for (name, outcome) in report.machines {
        assert_eq!(outcome.unwrap(), Outcome::AlreadyReady, "{name}");
    }
    let changed: Vec<_> = bench.world.calls().into_iter().filter(|seen| seen.changed).collect();
    assert_eq!(changed, [], "an up of what is ready changes something");
}
