"""Attachments: whole or not at all, of this model, and never a way out of the bundle."""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.errors import BundleError
from engine.runs.attachments import (
    Attachment,
    attachments,
    broken_attachments,
    has_attachment,
    read_attachment,
    writing_attachment,
)
from engine.runs.store import DirectoryStore

if TYPE_CHECKING:
    from engine.runs.bundle import Bundle


NEEDS_PIPES = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")


@pytest.fixture
def store(demo_home: Path) -> DirectoryStore:
    return DirectoryStore(demo_home / "data" / "runs", demo_home / "config")


@pytest.fixture
def bundle(store: DirectoryStore) -> Bundle:
    found = store.open(str(store.promoted()))
    # What the demo run has already is another matter.
    shutil.rmtree(found.path / "attachments", ignore_errors=True)
    return found


def attach(bundle: Bundle, name: str = "parity", content: str = "first", **options: bool) -> None:
    parameters: dict[str, object] = {}
    with writing_attachment(bundle, name, "parity", parameters, {"cpu": "this"}, **options) as folder:
        (folder / "deep").mkdir()
        (folder / "table.json").write_text(content)
        (folder / "deep" / "more.txt").write_text(content)
        parameters["texts"] = 3


def content_of(attachment: Attachment) -> str:
    return (attachment.path / "table.json").read_text()


def test_what_was_written_is_read_and_the_bundle_stays_as_it_was(store, bundle):
    before = (bundle.path / "run.json").read_bytes()
    assert attachments(bundle) == []
    assert not has_attachment(bundle, "parity")
    attach(bundle)
    found = read_attachment(bundle, "parity")
    assert content_of(found) == "first"
    assert (found.name, found.manifest.kind, found.manifest.schema_version) == ("parity", "parity", 1)
    assert found.manifest.parameters == {"texts": 3}
    assert found.manifest.environment == {"cpu": "this"}
    assert found.manifest.model_digest == bundle.manifest.model_digest
    assert sorted(found.manifest.files) == ["deep/more.txt", "table.json"]
    assert [each.name for each in attachments(bundle)] == ["parity"]
    assert has_attachment(bundle, "parity")
    assert (bundle.path / "run.json").read_bytes() == before
    assert store.open(bundle.run_id).manifest == bundle.manifest


@pytest.mark.parametrize(
    "name", ["", ".hidden", "-x", "a/b", "..", "../../run", "A", "a_b", "a" * 65, "a\n", "a\0", "choice-é"]
)
def test_a_name_that_is_none_comes_near_no_path(bundle, name):
    for use in (read_attachment, has_attachment, attach):
        with pytest.raises(BundleError, match="is not the name of an attachment"):
            use(bundle, name)
    assert not (bundle.path / "attachments").exists()


def test_an_unknown_kind_is_a_mistake_of_ours(bundle):
    with (
        pytest.raises(ValueError, match="not a kind"),
        writing_attachment(bundle, "a", "thing", {}, {}),
    ):
        pytest.fail("the folder was made")


def test_a_second_one_of_a_name_is_refused_unless_it_replaces(bundle):
    attach(bundle)
    with pytest.raises(BundleError, match="has this attachment already"):
        attach(bundle, content="second")
    assert content_of(read_attachment(bundle, "parity")) == "first"
    attach(bundle, content="third", replace=True)
    assert content_of(read_attachment(bundle, "parity")) == "third"
    # The first one's files are gone.
    assert len(list((bundle.path / "attachments" / "parity").iterdir())) == 2
    attach(bundle, name="other", replace=True)
    assert [each.name for each in attachments(bundle)] == ["other", "parity"]


def test_a_reader_sees_the_old_or_the_new_and_never_a_part(bundle):
    attach(bundle, content="0")
    done = threading.Event()
    seen, errors = set(), []

    def read() -> None:
        while not done.is_set():
            try:
                seen.add(read_attachment(bundle, "parity").manifest.content)
            except BundleError as error:
                errors.append(str(error))
                return

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(1, 40):
            attach(bundle, content=str(number), replace=True)
    finally:
        done.set()
        reader.join()
    assert errors == []
    assert len(seen) > 1
    assert content_of(read_attachment(bundle, "parity")) == "39"


@pytest.mark.parametrize("replace", [False, True])
def test_a_block_that_fails_leaves_what_was_there(bundle, replace):
    if replace:
        attach(bundle)
    with (
        pytest.raises(KeyError),
        writing_attachment(bundle, "parity", "parity", {}, {}, replace=replace) as folder,
    ):
        (folder / "half").write_text("half")
        raise KeyError
    assert [content_of(each) for each in attachments(bundle)] == ["first"] * replace
    assert len(list((bundle.path / "attachments").iterdir())) == replace


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES])
def test_a_full_disk_is_one_sentence_and_nothing_is_left(bundle, number):
    with (
        pytest.raises(BundleError, match=r"attachment cannot be written here .* free some space") as caught,
        writing_attachment(bundle, "parity", "parity", {}, {}) as folder,
    ):
        (folder / "half").write_text("half")
        raise OSError(number, "as the system says it")
    assert "\n" not in str(caught.value)
    assert list((bundle.path / "attachments").iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs a device that is always full")
def test_a_disk_that_fills_up_while_a_file_is_written(bundle):
    with (
        pytest.raises(BundleError, match="No space left on device"),
        writing_attachment(bundle, "parity", "parity", {}, {}) as folder,
    ):
        (folder / "table.json").symlink_to("/dev/full")
        (folder / "table.json").write_text("first")
    assert list((bundle.path / "attachments").iterdir()) == []


def damage(bundle: Bundle, how: str) -> None:
    folder = bundle.path / "attachments" / "parity"
    manifest = folder / "attachment.json"
    known = json.loads(manifest.read_text())
    files = folder / known["content"]
    if how == "changed":
        (files / "table.json").write_text("other")
    elif how == "missing":
        (files / "table.json").unlink()
    elif how == "link":
        (files / "table.json").rename(bundle.path / "table")
        (files / "table.json").symlink_to(bundle.path / "table")
    elif how == "folder is a link":
        (files / "deep").rename(bundle.path / "deep")
        (files / "deep").symlink_to(bundle.path / "deep")
    elif how == "all is a link":
        folder.rename(bundle.path / "elsewhere")
        folder.symlink_to(bundle.path / "elsewhere")
    elif how == "content is a link":
        files.rename(folder / "real")
        files.symlink_to(folder / "real")
    elif how == "manifest is a link":
        manifest.rename(folder / "real")
        manifest.symlink_to(folder / "real")
    elif how == "pipe":
        (files / "table.json").unlink()
        os.mkfifo(files / "table.json")
    elif how == "not json":
        manifest.write_text("{")
    elif how == "no manifest":
        manifest.unlink()
    else:
        key, value = json.loads(how)
        manifest.write_text(json.dumps({**known, key: value}))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("changed", "was changed after it was written .* remove the folder parity and make it again"),
        ("missing", "lacks this file"),
        ("link", "leaves the bundle"),
        ("folder is a link", "leaves the bundle"),
        ("all is a link", "a link stands in its way"),
        ("content is a link", "a link stands in its way"),
        ("manifest is a link", "attachment.json: not a file"),
        pytest.param("pipe", "table.json: not a file", marks=NEEDS_PIPES),
        ('["files", {"%s": "0"}]' % ("a" * 5000), "cannot be read"),
        ("not json", "not a valid attachment.json"),
        ("no manifest", "has no attachment 'parity'"),
        ('["model_digest", "0"]', "belongs to another model"),
        ('["schema_version", 2]', "schema version 2"),
        ('["name", "other"]', "does not describe"),
        ('["kind", "thing"]', "does not describe"),
        ('["content", "../../.."]', "does not describe"),
        ('["content", ""]', "does not describe"),
        ('["files", {"../../run.json": "0"}]', "leaves the bundle"),
        ('["files", {"/etc/passwd": "0"}]', "leaves the bundle"),
        ('["files", {"a\\u0000": "0"}]', "leaves the bundle"),
        ('["files", [1]]', "not a valid attachment.json"),
    ],
)
def test_a_damaged_one_is_one_sentence_and_the_run_still_opens(store, bundle, how, words):
    attach(bundle)
    attach(bundle, name="sound")
    damage(bundle, how)
    with pytest.raises(BundleError, match=words) as caught:
        read_attachment(bundle, "parity")
    assert "\n" not in str(caught.value)
    opened = store.open(bundle.run_id)
    assert [each.name for each in attachments(opened)] == ["sound"]
    assert list(broken_attachments(opened)) == ["parity"]


@NEEDS_PIPES
def test_a_pipe_in_the_place_of_the_manifest_is_not_waited_for(bundle):
    attach(bundle)
    (bundle.path / "attachments" / "parity" / "attachment.json").unlink()
    os.mkfifo(bundle.path / "attachments" / "parity" / "attachment.json")
    with pytest.raises(BundleError, match="not a file"):
        read_attachment(bundle, "parity")


def test_a_file_is_read_only_where_the_manifest_names_it(bundle):
    attach(bundle)
    found = read_attachment(bundle, "parity")
    assert found.read("deep/more.txt") == b"first"
    (found.path / "smuggled.onnx").write_bytes(b"never checked")
    with pytest.raises(BundleError, match=r"lacks smuggled\.onnx; remove the folder parity"):
        found.read("smuggled.onnx")
    (found.path / "table.json").unlink()
    with pytest.raises(BundleError, match="cannot be read"):
        found.read("table.json")


def test_nothing_is_written_through_a_link(bundle, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (bundle.path / "attachments").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match="a link stands in its way"):
        attach(bundle, replace=True)
    assert list((tmp_path / "elsewhere").iterdir()) == []
