//! Stores that give back what they have no more use for.

use serde_json::json;

use crate::backup::filled;
use crate::harness::Folder;
use crate::import::report;

#[test]
fn a_store_is_compacted_at_rest() {
    let folder = filled();
    let mut gateway = folder.serve();
    for _ in 0..40 {
        gateway.log_in("ada");
    }
    let said = folder.run(&["compact"]).failed(1);
    assert!(said.contains("a gateway runs: stop it first"), "{said}");
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
    let length = || std::fs::metadata(folder.file("portcullis.redb")).unwrap().len();
    let before = length();
    let told = report(&folder.run(&["compact", "--json"]).done());
    assert_eq!((&told["before"], &told["after"]), (&json!(before), &json!(length())));
    assert!(length() <= before);
    let told = folder.run(&["compact"]).done();
    assert!(told.contains("portcullis.redb: ") && told.contains(" before, "), "{told}");
    folder.serve().log_in("bob");

    let nothing = Folder::new();
    assert!(nothing.run(&["compact"]).failed(1).contains("there is no store"));
    nothing.write("portcullis.redb", "a letter to my aunt");
    assert!(nothing.run(&["compact"]).failed(1).contains("this is no store of portcullis"));
    assert_eq!(std::fs::read(nothing.file("portcullis.redb")).unwrap(), b"a letter to my aunt");
}
