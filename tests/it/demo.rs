//! The demo, as a process of its own.

use promptsales_tests::binary;
use tokio::process::Command;

async fn demo(args: &[&str]) -> String {
    let mut command = Command::new(binary());
    command.arg("demo").args(args).kill_on_drop(true);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PROMPTSALES_")) {
        command.env_remove(name);
    }
    let ran = command.output().await.expect("the demo can be run");
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert_eq!(ran.status.code(), Some(0), "{out}\n{err}");
    out.into_owned()
}

#[tokio::test]
async fn the_demo_launches_a_campaign() {
    let told = demo(&[]).await;
    for line in ["run completed", "keys executed twice: 0", "Leads that came in", "Where to look"] {
        assert!(told.contains(line), "`{line}` is not in:\n{told}");
    }
    assert!(!told.contains("kill -9"), "{told}");
}

#[tokio::test]
async fn the_demo_goes_on_after_a_crash() {
    let told = demo(&["--crash"]).await;
    for line in ["kill -9", "started again", "run completed", "keys executed twice: 0"] {
        assert!(told.contains(line), "`{line}` is not in:\n{told}");
    }
}
