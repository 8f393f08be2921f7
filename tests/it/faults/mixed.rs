//! One fault after the other, in an order that a seed decides, under a steady load of commands, launches and reads.

use futures_util::future::join;
use promptsales_tests::{
    Dice, FewDescriptors, Room, Server, Settings, SlowDisk, Stopwatch, WallClock, long_runs, pause, preload,
};
use tempfile::TempDir;

use super::ALONE;
use super::load::outside;
use super::steady::Steady;

/// What can happen to the server and the machine below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Harm {
    Kill,
    End,
    Stop,
    FullDisk,
    SlowDisk,
    ClockJump,
    Descriptors,
}

const HARMS: [Harm; 7] =
    [Harm::Kill, Harm::End, Harm::Stop, Harm::FullDisk, Harm::SlowDisk, Harm::ClockJump, Harm::Descriptors];

/// A server on a machine that can be harmed.
struct Machine {
    server: Server,
    room: Room,
    slow: SlowDisk,
    clock: WallClock,
    /// The outside keeps its books on a disk of its own.
    _books: TempDir,
}

impl Machine {
    async fn new(mebibytes: u32) -> Self {
        let (room, slow, clock) = (Room::of(mebibytes), SlowDisk::new(), WallClock::new());
        let books = tempfile::tempdir().expect("a folder can be made");
        let link = room.folder().path().join("sandbox.jsonl");
        std::os::unix::fs::symlink(books.path().join("sandbox.jsonl"), link).expect("a link can be made");
        let env = preload(&[room.env(), slow.env(), clock.env()]);
        let settings = Settings { sandbox: Some(outside()), env, ..Settings::default() };
        let server = Server::over(room.folder(), settings).await;
        Self { server, room, slow, clock, _books: books }
    }

    /// Harms it for a while, and mends it.
    async fn harm(&mut self, what: Harm, dice: &mut Dice) {
        let while_ms = 300 + dice.roll(1_200);
        println!("{what:?}, for {while_ms} ms");
        match what {
            Harm::Kill => {
                self.server.kill().await;
                pause(while_ms / 4).await;
                self.server.restart().await;
            }
            Harm::End => {
                assert_eq!(self.server.terminate().await, Some(0));
                self.server.restart().await;
            }
            Harm::Stop => {
                self.server.signal("STOP").await;
                pause(while_ms).await;
                self.server.signal("CONT").await;
            }
            Harm::FullDisk => {
                self.room.fill();
                pause(while_ms).await;
                self.room.make_room();
            }
            Harm::SlowDisk => {
                self.slow.slow_by(i64::try_from(50 + dice.roll(150)).expect("it fits"));
                pause(while_ms).await;
                self.slow.slow_by(0);
            }
            Harm::ClockJump => {
                self.clock.set_off_by(*dice.pick(&[3_600, -3_600]));
                pause(while_ms).await;
                self.clock.set_off_by(0);
            }
            Harm::Descriptors => {
                let pid = self.server.pid().expect("the server runs");
                let few = FewDescriptors::of(pid, &self.server.url, 2);
                pause(while_ms).await;
                drop(few);
            }
        }
    }
}

#[tokio::test]
async fn whatever_happens_in_whatever_order_nothing_is_lost_repeated_or_stuck() {
    let _alone = ALONE.lock().await;
    let (length, mebibytes) = if long_runs() { (600_000, 1_024) } else { (60_000, 128) };
    let mut dice = Dice::new("mixed faults", 21);
    let mut machine = Machine::new(mebibytes).await;
    let steady = Steady::on(&machine.server.http);
    let (mut order, begun) = (dice.fork(), Stopwatch::start());
    let mut times = [0; HARMS.len()];
    let script = async {
        let mut left = Vec::new();
        while begun.ms() < length {
            pause(1_500 + order.roll(2_000)).await;
            if left.is_empty() {
                left = (0..HARMS.len()).collect();
            }
            let next = left.remove(usize::try_from(order.roll(left.len() as u64)).expect("an index fits"));
            steady.open_window();
            machine.harm(HARMS[next], &mut order).await;
            steady.moved(&machine.server.http);
            steady.close_window().await;
            times[next] += 1;
        }
        steady.book.stop();
    };
    join(steady.work(&mut dice), script).await;
    println!("{HARMS:?} happened {times:?} times");
    assert!(times.iter().all(|times| *times > 0), "each happened: {times:?}");
    steady.book.prove("mixed faults", &machine.server).await;
    steady.prove_calm();
}
