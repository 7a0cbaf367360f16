import Device
import Foundation
import Testing

@testable import Control

/// The package's own DeviceProfiles/.
private var folder: String {
  URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("DeviceProfiles").path
}

@Suite("Device profiles")
struct ProfileTests {
  @Test("Every profile of the package is read, and the promised models are there")
  func all() throws {
    let catalog = try ProfileCatalog(path: folder)
    let names = Set(catalog.profiles.map(\.name))
    #expect(
      names == [
        "bluefield2-hws", "bluefield2-sws", "bluefield2-tc", "bluefield3-hws", "bluefield3-sws", "bluefield3-tc",
        "connectx6dx-hws", "connectx6dx-sws", "connectx6dx-tc", "connectx7-hws", "connectx7-sws", "connectx7-tc",
        "e810-dpdk", "ideal", "none", "virtio-net",
      ])
  }

  @Test("An alias gives a profile and its title says which")
  func alias() throws {
    let choice = try ProfileCatalog(path: folder).choose("bluefield3")
    #expect(choice.profile.name == "bluefield3-sws")
    #expect(choice.title == "bluefield3 (profile bluefield3-sws)")
    #expect(try ProfileCatalog(path: folder).choose("ideal").title == "ideal")
  }

  @Test("A profile that DPDK 22.11 cannot drive says what it needs")
  func needs() throws {
    let catalog = try ProfileCatalog(path: folder)
    for profile in catalog.profiles {
      #expect((profile.needs == "dpdk>=24.03") == (profile.access == .dpdkTemplates), "\(profile.name)")
    }
  }

  @Test("Geneve under software and under hardware steering differs as the guides say")
  func steering() throws {
    let catalog = try ProfileCatalog(path: folder)
    let software = try catalog.choose("bluefield3-sws").profile.abilities.geneveOptions
    let hardware = try catalog.choose("bluefield3-hws").profile.abilities.geneveOptions
    #expect(software.perDevice == 1 && software.refusesZeroData && !software.classCostsWord)
    #expect(hardware.words == 7 && hardware.classCostsWord && hardware.refusesZeroMask && hardware.refusesRepeats)
    #expect(hardware.perRule == 255 && hardware.perDevice == 0)
  }

  @Test("No mlx5 profile copies ECN, DSCP or TTL: raw_encap is a fixed template")
  func fixedTemplates() throws {
    for profile in try ProfileCatalog(path: folder).profiles where profile.name != "ideal" {
      #expect(profile.abilities.frame.isDisjoint(with: [.ecnCopy, .dscpCopy, .ttlCopy, .dfCopy]), "\(profile.name)")
    }
  }

  @Test("Every ability and every limit of every profile has its citation or is called undocumented")
  func cited() throws {
    for profile in try ProfileCatalog(path: folder).profiles {
      let abilities = profile.abilities
      let given =
        Feature.features(abilities.match).map(\.name) + Feature.features(abilities.actions).map(\.name)
        + Feature.features(abilities.frame).map(\.name) + profile.services.map(\.name)
      for name in given { #expect(profile.citations[name] != nil, "\(profile.name): \(name)") }
      for limit in DeviceLimit.allCases where !limit.isAboutGeneveOptions || abilities.match.contains(.geneveOptions) {
        let open = profile.undocumented.contains { $0.names.contains(limit.citationName) }
        #expect((profile.citations[limit.citationName] != nil) != open, "\(profile.name): \(limit)")
      }
      for text in profile.citations.values { #expect(!text.contains("http"), "\(profile.name): \(text)") }
    }
  }

  @Test("The ideal device lacks no ability that there is a word for, and none has any")
  func extremes() throws {
    let catalog = try ProfileCatalog(path: folder)
    let ideal = try catalog.choose("ideal").profile.abilities
    #expect(Feature.features(ideal.match).count == MatchAbilities.names.count)
    #expect(Feature.features(ideal.actions).count == ActionAbilities.names.count)
    #expect(Feature.features(ideal.frame).count == FrameAbilities.names.count)
    #expect(try catalog.choose("none").profile.abilities == Abilities())
  }

  @Test("An unknown profile name is answered with the names there are")
  func unknown() throws {
    let catalog = try ProfileCatalog(path: folder)
    #expect { try catalog.choose("bluefield9") } throws: { "\($0)".contains("bluefield3-sws") }
  }
}

@Suite("Strictness of profiles")
struct ProfileStrictnessTests {
  static let good = """
    schema_version: 1
    summary: a device
    access: emulated
    models:
      - {name: small, model: Small, firmware: any}
    sources:
      sheet: "Datasheet, section 1"
    abilities:
      match:
        - {source: sheet, can: [eth, ipv4]}
      actions:
        - {source: sheet, can: [count]}
      frame: []
    limits:
      rules: {value: 100, source: sheet}
      groups: {value: 1, source: sheet}
      priorities: {value: 4, source: sheet}
      largest_header_bytes: {value: 0, source: sheet}
      counter_bits: {value: 32, source: sheet}
      insertions_per_second: {value: 1000, source: sheet}
      insertion_latency_ns: {value: 5, source: sheet}
    undocumented:
      - {what: [limits.counter_interval_ns], note: not in the sheet}
    """

  @Test("A small profile is read as it is written")
  func reads() throws {
    let profile = try #require(try ProfileReader.read(Self.good, file: "p.yaml").first)
    #expect(profile.abilities.match == [.eth, .ipv4] && profile.abilities.actions == .count)
    #expect(profile.abilities.rules == 100 && profile.abilities.counterBits == 32)
    #expect(profile.citations["limits.rules"] == "Datasheet, section 1")
    #expect(profile.citation("limits.counter_interval_ns") == "not in the sheet")
  }

  @Test(
    "A mistake in a profile is answered with its place, what was expected and what was found",
    arguments: [
      ("summary: a device", "summary: a device\ncolour: red", "p.yaml:3:9: colour: unknown key 'colour'"),
      ("rules: {value: 100", "rules: {value: many", "p.yaml:15:18: limits.rules.value: expected a whole number"),
      ("rules: {value: 100", "rules: {value: -1", "found '-1'"),
      ("can: [eth, ipv4]", "can: [eth, ipv5]", "p.yaml:10:34: abilities.match[0].can[1]: expected one of eth"),
      ("can: [eth, ipv4]", "can: [eth, eth]", "'match.eth' stands twice"),
      ("{source: sheet, can: [count]}", "{can: [count]}", "the key 'source' is missing"),
      ("{source: sheet, can: [count]}", "{source: sheat, can: [count]}", "no source 'sheat'"),
      ("access: emulated", "access: magic", "expected one of dpdk-22.11"),
      ("  rules: {value: 100, source: sheet}\n", "", "expected 'rules' with a source here, or 'limits.rules'"),
      ("[limits.counter_interval_ns]", "[limits.counter_interval_ns, limits.rules]", "so it is not undocumented"),
      ("[limits.counter_interval_ns]", "[limits.speed]", "expected an ability, service or limit"),
      ("sources:\n", "sources:\n  other: \"Nothing\"\n", "sources.other: nothing in this profile rests on it"),
      ("name: small", "name: ../small", "expected letters, digits and '-'"),
      ("models:\n  - {name: small, model: Small, firmware: any}", "models: []", "expected one model or more"),
      ("schema_version: 1", "schema_version: 2", "expected a whole number of 1 to 1"),
      ("frame: []", "frame: 7", "expected a list"),
      ("summary: a device", "summary: \"\"", "expected text, found nothing"),
    ])
  func mistakes(old: String, new: String, message: String) throws {
    #expect(Self.good.contains(old))
    let text = Self.good.replacingOccurrences(of: old, with: new)
    #expect { try ProfileReader.read(text, file: "p.yaml") } throws: { error in
      guard "\(error)".contains(message) else {
        Issue.record("found: \(error)")
        return false
      }
      return true
    }
  }

  @Test("Every prefix of a profile and every profile with one byte changed gives a profile or an error, never a trap")
  func garbage() throws {
    let bytes = Array(Self.good.utf8)
    for length in stride(from: 0, to: bytes.count, by: 3) {
      _ = try? ProfileReader.read(String(decoding: bytes[..<length], as: UTF8.self), file: "p.yaml")
    }
    for index in stride(from: 0, to: bytes.count, by: 2) {
      var changed = bytes
      changed[index] = [0x3a, 0x7b, 0x2d, 0x09, 0x26, 0x22][index % 6]
      _ = try? ProfileReader.read(String(decoding: changed, as: UTF8.self), file: "p.yaml")
    }
  }
}
