"""Plants violations of the import rules in a small house and sees each of them found."""

import os
import tempfile
import unittest

import imports

# What Package.swift of the small house says: room → dependencies.
HOUSE = {
    "CShim": [], "CPcap": [], "Wire": ["CShim"], "Memory": ["CShim"], "Rules": [], "Device": ["Rules", "Memory"],
    "Classifier": ["Device", "Wire"], "EmulatedDevice": ["Device", "Rules", "Memory"], "Ports": ["Device", "CPcap"],
    "Datapath": ["Classifier", "Device", "Wire"], "Control": ["Datapath", "Device"],
}


class Planted(unittest.TestCase):
    def check(self, sources=None, packages=None, kinds=None):
        """The violations of the small house with `sources` (path → text) and `packages` (room → dependencies) in it."""
        package = {"targets": [
            {"name": name, "type": (kinds or {}).get(name, "regular"),
             "dependencies": [{"byName": [other, None]} for other in others]}
            for name, others in {**HOUSE, **(packages or {})}.items()]}
        with tempfile.TemporaryDirectory() as root:
            for path, text in {"Sources/Device/A.swift": "public import Rules\n", **(sources or {})}.items():
                os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(text)
            return imports.check(root, imports.targets(package))

    def found(self, text, **planted):
        violations = self.check(**planted)
        self.assertEqual([v for v in violations if text in v][:1], violations[:1], violations)
        self.assertTrue(violations)

    def test_the_house_as_drawn_has_no_violation(self):
        self.assertEqual(self.check(), [])

    def test_an_import_upwards_is_found(self):
        self.found("not on a floor below Wire", packages={"Wire": ["CShim", "Device"]})

    def test_an_import_on_the_same_floor_is_found(self):
        self.found("not on a floor below Wire", packages={"Wire": ["CShim", "Memory"]})

    def test_the_device_model_may_not_get_at_wire_itself(self):
        self.found("EmulatedDevice must not get at Wire", packages={"EmulatedDevice": ["Device", "Wire"]})

    def test_the_device_model_may_not_get_at_wire_through_another(self):
        violations = self.check(packages={"Device": ["Rules", "Memory", "Wire"]})
        self.assertIn("EmulatedDevice → Device → Wire: EmulatedDevice must not get at Wire", violations)

    def test_an_import_line_that_package_swift_does_not_have_is_found(self):
        # SwiftPM lets a source import what its dependencies depend on.
        self.found("does not say so", sources={"Sources/EmulatedDevice/A.swift": "import CShim\n"})

    def test_every_spelling_of_an_import_is_seen(self):
        for line in ["import Wire", "public import Wire", "internal import Wire", "@testable import Wire",
                     "@preconcurrency import Wire", "import struct Wire.View", "  private import Wire",
                     "let a = 1; import Wire", "package import func Wire.f", "@_spi(X) public import Wire",
                     "/* a */ import Wire // b", "#if A\n  import Wire\n#endif", 'let a = "/*"\nimport Wire',
                     '"""\n"\n"""\nimport Wire', 'let a = #"\\"#\nimport Wire']:
            with self.subTest(line):
                violations = self.check(sources={"Sources/EmulatedDevice/A.swift": line + "\n"})
                self.assertTrue(any("imports Wire" in v for v in violations), violations)

    def test_what_only_looks_like_an_import_is_not_one(self):
        for text in ["// import Wire", "/*\nimport Wire\n*/", 'let a = """\nimport Wire\n"""', "/* /* */\nimport Wire */",
                     "#if canImport(Wire)\n#endif", "let important = Wire"]:
            with self.subTest(text):
                self.assertEqual(self.check(sources={"Sources/EmulatedDevice/A.swift": text + "\n"}), [])

    def test_foundation_is_only_for_rooms_that_may(self):
        for room in ["Wire", "Memory", "Rules", "Device", "Classifier", "EmulatedDevice", "Datapath"]:
            with self.subTest(room):
                self.found("may not import Foundation", sources={f"Sources/{room}/B.swift": "import Foundation\n"})
        self.assertEqual(self.check(sources={"Sources/Control/B.swift": "import Foundation\n"}), [])

    def test_a_hidden_reexport_is_found(self):
        self.found("@_exported", sources={"Sources/Device/B.swift": "@_exported import Rules\n"})

    def test_only_ports_sees_libpcap(self):
        self.found("only for Ports", packages={"Control": ["Datapath", "Device", "CPcap"]})

    def test_a_room_without_a_floor_is_found(self):
        self.found("stands on no floor", packages={"Cellar": []})

    def test_pointee_on_shared_memory_is_found(self):
        self.found("pointee", sources={"Sources/Memory/B.swift": "let a = unsafe b.pointee\n"})
        for text in ["// pointee\n", "let a = unsafe p.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .acquiring)\n"]:
            self.assertEqual(self.check(sources={"Sources/Memory/B.swift": text}), [])

    def test_a_source_that_is_a_link_is_found(self):
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, "Sources/Wire"))
            os.symlink("../Memory/A.swift", os.path.join(root, "Sources/Wire/A.swift"))
            targets = imports.targets({"targets": [{"name": "Wire", "type": "regular", "dependencies": []}]})
            self.assertTrue(any("symbolic link" in v for v in imports.check(root, targets)))

    def test_a_test_may_import_what_package_swift_says_it_may(self):
        planted = {"packages": {"EmulatedDeviceTests": ["EmulatedDevice", "Wire"]}, "kinds": {"EmulatedDeviceTests": "test"}}
        self.assertEqual(self.check(sources={"Tests/EmulatedDeviceTests/A.swift": "import Testing\nimport Wire\n"}, **planted), [])


if __name__ == "__main__":
    unittest.main()
