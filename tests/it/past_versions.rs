//! Lakes that earlier versions wrote, as they left them: what was decided is settled, and builds go on.

use std::path::Path;

use crate::kills::{deliver, expected, shop, state};
use crate::sandbox::copy_folder;

/// `tests/lakes/*`: the project of `kills.rs`, two nights built, the builder of the third killed right after its decision.
#[test]
fn a_lake_of_each_past_version_is_settled_built_on_and_rolled_back() {
    let lakes = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lakes");
    for lake in lakes.read_dir().unwrap() {
        let lake = lake.unwrap().path();
        let shop = shop();
        copy_folder(&lake, &shop.path("lake"));
        for night in 0..4 {
            deliver(&shop, night);
        }
        let place = lake.display();
        assert_eq!(state(&shop), expected(2), "{place}");
        shop.kilde(&["build"]).ended(0);
        assert_eq!(state(&shop), expected(4), "{place}");
        let files = shop.query("select count(*), count(distinct path) from ops.files");
        assert_eq!(files, [["8", "8"]], "{place}");
        let releases = shop.kilde(&["releases"]).ended(0).stdout;
        assert!(
            releases.contains('4') && releases.contains('1'),
            "{releases}"
        );
        shop.kilde(&["rollback", "2"]).ended(0);
        assert_eq!(state(&shop), expected(2), "{place}");
    }
}
