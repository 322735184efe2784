use serde_json::{Value, json};

use super::*;

fn compiled_in() -> Vec<CatalogueBox> {
    Catalogue::load(None).unwrap().boxes
}

fn schema() -> jsonschema::Validator {
    let text = include_str!("../../../boxes/schema.json");
    let schema: Value = serde_json::from_str(text).unwrap();
    jsonschema::meta::validate(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

#[test]
fn every_file_of_the_catalogue_is_in() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("boxes");
    let mut there: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| format!("boxes/{}", entry.unwrap().file_name().to_str().unwrap()))
        .filter(|name| name.ends_with(".json") && name != "boxes/schema.json")
        .collect();
    there.sort();
    let known: Vec<_> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(known, there);
    for (entry, (path, _)) in compiled_in().iter().zip(FILES) {
        assert_eq!(&format!("boxes/{}.json", entry.name), path);
    }
}

#[test]
fn every_entry_is_of_the_form_that_the_schema_describes() {
    let schema = schema();
    for (path, text) in FILES {
        let value: Value = serde_json::from_str(text).unwrap();
        let errors: Vec<_> = schema.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{path}: {errors:?}");
    }
}

#[test]
fn the_schema_and_the_reader_refuse_the_same() {
    let schema = schema();
    let good: Value = serde_json::from_str(include_str!("../../../boxes/lucid64.json")).unwrap();
    let read = |value: &Value| parse(&value.to_string(), Path::new("x.json"));
    assert!(schema.is_valid(&good) && read(&good).is_ok());
    let source = "/versions/0/sources/0";
    for (pointer, key, value) in [
        ("", "name", json!("../x")),
        ("", "name", json!(null)),
        ("", "nmae", json!("x")),
        ("", "arch", json!("sparc")),
        ("", "hints", json!("x")),
        ("/guest", "network", json!("netplan")),
        ("/guest", "family", json!(7)),
        ("/guest", "apt_sources", json!(["rm -rf /"])),
        ("/guest", "apt_sources", json!("deb http://x/ y main")),
        ("/virtualbox", "gui", json!(true)),
        ("/virtualbox", "customize", json!([["modifyvm", "{id}"]])),
        ("/virtualbox", "customize", json!([["unregistervm", "{id}", "--delete"]])),
        ("/virtualbox", "customize", json!([["modifyvm", "another", "--vram", "16"]])),
        ("/versions/0", "sources", json!({})),
        (source, "format", json!("floppy")),
        (source, "url", json!("https://x/also.box")),
        (source, "registry", json!("noowner")),
        (source, "sha256", json!("abc")),
        (source, "sha256", json!("A".repeat(64))),
        (source, "size", json!(-1)),
        (source, "mirror", json!("x")),
    ] {
        let mut bad = good.clone();
        bad.pointer_mut(pointer).unwrap()[key] = value.clone();
        assert!(!schema.is_valid(&bad), "the schema takes {pointer} {key} {value}");
        let error = read(&bad).expect_err(&format!("the reader takes {pointer} {key} {value}"));
        assert_eq!(error.kind(), Kind::BadCatalogue);
    }
}

#[test]
fn every_box_tells_a_way_out_and_where_it_is_verified() {
    for entry in compiled_in() {
        assert!(!entry.hints.is_empty(), "{}", entry.name);
        let sources: Vec<_> = entry.versions.iter().flat_map(|release| &release.sources).collect();
        assert!(entry.name == "demo" || sources.iter().any(|source| source.is_usable()), "{}", entry.name);
        for source in sources {
            let url = source.url.as_deref().unwrap_or("https://");
            let is_verified = source.expected().has_sums() || source.sums.is_some();
            let safe = url.starts_with("https://") || is_verified || !source.is_usable();
            assert!(safe, "{}: {url} comes over http, and nothing tells whether it is genuine", entry.name);
        }
    }
}

#[test]
fn distributions_own_images_come_first_and_the_registry_last() {
    for entry in compiled_in().iter().filter(|entry| !entry.name.starts_with("lucid") && entry.name != "demo")
    {
        for (host, word, other) in [(Arch::X86_64, "amd64", "arm64"), (Arch::Aarch64, "arm64", "amd64")] {
            let places: Vec<_> =
                entry.versions.iter().flat_map(|release| release.sources_for(entry.arch, host)).collect();
            let url = |place: &CatalogueSource| place.url.clone().unwrap_or_default();
            assert!(url(places[0]).contains(word), "{} {places:?}", entry.name);
            assert_eq!(places[0].format, SourceFormat::CloudImage);
            assert!(places[1].registry.is_some(), "{} {places:?}", entry.name);
            let has_other = places.iter().any(|place| url(place).contains(other));
            assert_eq!(has_other, host == Arch::Aarch64, "x86 runs on ARM, ARM not on x86");
        }
    }
}

#[test]
fn releases_that_left_the_main_mirrors_are_known() {
    let archived = Catalogue::load(None).unwrap().archived();
    let (release, lines) = &archived[0];
    assert_eq!((archived.len(), release.as_str(), lines.len()), (1, "lucid", 3));
    assert!(lines.iter().all(|line| line.starts_with("deb http://old-releases.")), "{lines:?}");
    let mut nameless: Value = serde_json::from_str(include_str!("../../../boxes/lucid64.json")).unwrap();
    nameless["guest"].as_object_mut().unwrap().remove("release");
    assert!(!schema().is_valid(&nameless));
    assert!(parse(&nameless.to_string(), Path::new("x.json")).is_err());
}

#[test]
fn a_teachers_catalogue_comes_first() {
    let dir = tempfile::tempdir().unwrap();
    let entry = json!({
        "name": "lucid32", "description": "ours", "arch": "i386", "hints": ["ask"],
        "guest": {"family": "ubuntu"},
        "versions": [{"sources": [{"url": "lucid32.box", "format": "vagrant-box"}]}],
    });
    let path = dir.path().join("ours.json");
    std::fs::write(&path, entry.to_string()).unwrap();
    std::fs::write(dir.path().join("README"), "no entry").unwrap();
    for named in [dir.path(), path.as_path()] {
        let catalogue = Catalogue::load(Some(named)).unwrap();
        let found = catalogue.get("lucid32").unwrap();
        assert_eq!((found.description.as_str(), found.from.as_deref()), ("ours", Some(path.as_path())));
        assert!(catalogue.get("lucid64").is_some());
    }
    std::fs::write(&path, "{").unwrap();
    assert_eq!(Catalogue::load(Some(dir.path())).unwrap_err().kind(), Kind::BadCatalogue);
    assert_eq!(Catalogue::load(Some(&dir.path().join("none"))).unwrap_err().kind(), Kind::Io);
}

#[test]
fn sums_are_found_in_lists() {
    let (a, b) = ("a".repeat(64), "b".repeat(128));
    let list = format!("{a} *other.img\n{b}  ./x.qcow2\n{a}  x.img\n");
    assert_eq!(sum_in_list(&list, "x.img").unwrap().hex, a);
    assert_eq!(sum_in_list(&list, "x.qcow2").unwrap().algorithm, Algorithm::Sha512);
    assert_eq!(sum_in_list(&list, "y.img"), None);
    assert_eq!(sum_in_list("xyz  y.img", "y.img"), None);
}
