import Device

/// Reads a profile document (DeviceProfiles/schema.yaml) and complains about everything that is not as it should be.
enum ProfileReader {
  /// The profiles of a document: one for each model it names.
  static func read(_ text: String, file: String) throws(YAMLError) -> [DeviceProfile] {
    let document = try YAMLValue.parse(text, file: file)
    var map = try document.map()
    _ = try map.required("schema_version").integer(1...1)
    var base = DeviceProfile(name: "")
    base.access = try map.required("access").choice(DeviceAccess.allCases.map { ($0.rawValue, $0) })
    if let needs = map.optional("needs") {
      base.needs = try needs.choice([("dpdk>=24.03", "dpdk>=24.03"), ("doca", "doca")])
    }
    base.summary = try map.required("summary").nonEmpty()

    var sources = Sources()
    for (key, value) in try map.required("sources").map().values { sources.texts[key] = try value.nonEmpty() }
    var abilities = try map.required("abilities").map()
    base.abilities.match = try granted(
      abilities.required("match"), "match", MatchAbilities.names, &sources, &base)
    base.abilities.actions = try granted(
      abilities.required("actions"), "actions", ActionAbilities.names, &sources, &base)
    base.abilities.frame = try granted(
      abilities.required("frame"), "frame", FrameAbilities.names, &sources, &base)
    try services(abilities.optional("services"), &sources, &base)
    try abilities.finish()
    let limits = try map.required("limits")
    try readLimits(limits, &sources, &base)
    if let list = map.optional("exclusions") { try exclusions(list, &sources, &base) }
    if let list = map.optional("undocumented") { try undocumented(list, &base) }
    if let list = map.optional("notes") {
      for value in try list.list() { base.notes.append(try value.nonEmpty()) }
    }
    try checkLimits(limits, &base)
    let models = try map.required("models")
    let profiles = try readModels(models, base)
    try map.finish()
    if let unused = sources.texts.keys.sorted().first(where: { !sources.used.contains($0) }) {
      throw document.error("sources.\(unused): nothing in this profile rests on it")
    }
    return profiles
  }

  /// The documents a profile quotes, and which were quoted.
  struct Sources {
    var texts: [String: String] = [:]
    var used: Set<String> = []

    /// The text of the source that `value` names.
    mutating func text(_ value: YAMLValue) throws(YAMLError) -> String {
      let key = try value.nonEmpty()
      guard let text = texts[key] else {
        throw value.error(
          "no source '\(key)' in 'sources' (there are \(texts.keys.sorted().joined(separator: ", ")))")
      }
      used.insert(key)
      return text
    }
  }

  /// A list of `{can: [names], source: key}`.
  private static func granted<Set: OptionSet>(
    _ value: YAMLValue, _ prefix: String, _ names: [(ability: Set, name: String)], _ sources: inout Sources,
    _ profile: inout DeviceProfile
  ) throws(YAMLError) -> Set where Set.Element == Set {
    var result: Set = []
    for entry in try value.list() {
      var map = try entry.map()
      let can = try map.required("can").list()
      let source = try sources.text(try map.required("source"))
      try map.finish()
      for word in can {
        let ability = try word.choice(names.map { ($0.name, $0.ability) })
        let name = prefix + "." + (try word.string())
        guard profile.citations.updateValue(source, forKey: name) == nil else {
          throw word.error("'\(name)' stands twice")
        }
        result.formUnion(ability)
      }
    }
    return result
  }

  private static func services(
    _ value: YAMLValue?, _ sources: inout Sources, _ profile: inout DeviceProfile
  ) throws(YAMLError) {
    guard let value else { return }
    for entry in try value.list() {
      var map = try entry.map()
      let can = try map.required("can").list()
      let source = try sources.text(try map.required("source"))
      try map.finish()
      for word in can {
        let feature = try feature(word, "service.")
        guard profile.citations.updateValue(source, forKey: feature.name) == nil else {
          throw word.error("'\(feature.name)' stands twice")
        }
        profile.services.append(feature)
      }
    }
  }

  private static func feature(_ value: YAMLValue, _ prefix: String = "") throws(YAMLError) -> Feature {
    let word = try value.nonEmpty()
    if let feature = Feature(named: prefix + word) { return feature }
    let known = Feature.allNames.filter { $0.hasPrefix(prefix) }.map { $0.dropFirst(prefix.count) }
    throw value.error("expected one of \(known.joined(separator: ", ")), found '\(word.prefix(60))'")
  }

  private static func readLimits(
    _ value: YAMLValue, _ sources: inout Sources, _ profile: inout DeviceProfile
  ) throws(YAMLError) {
    var map = try value.map()
    for limit in DeviceLimit.allCases {
      guard let entry = map.optional(limit.rawValue) else { continue }
      var pair = try entry.map()
      let number = try pair.required("value")
      let amount =
        limit.isSwitch ? (try number.bool() ? 1 : 0) : try number.integer(0...Abilities.largest(limit))
      let source = try sources.text(try pair.required("source"))
      try pair.finish()
      profile.abilities.set(limit, to: amount)
      profile.citations[limit.citationName] = source
    }
    try map.finish()
  }

  private static func exclusions(
    _ value: YAMLValue, _ sources: inout Sources, _ profile: inout DeviceProfile
  ) throws(YAMLError) {
    for entry in try value.list() {
      var map = try entry.map()
      let list = try map.required("features")
      var features: Set<Feature> = []
      for word in try list.list() { features.insert(try feature(word)) }
      guard features.count >= 2 else { throw list.error("expected two features or more, found \(features.count)") }
      let reason = try map.required("reason").nonEmpty()
      let source = try sources.text(try map.required("source"))
      try map.finish()
      profile.exclusions.append(.init(features: features, reason: reason, source: source))
    }
  }

  private static func undocumented(_ value: YAMLValue, _ profile: inout DeviceProfile) throws(YAMLError) {
    let known = Feature.allNames + DeviceLimit.allCases.map(\.citationName)
    for entry in try value.list() {
      var map = try entry.map()
      var names: [String] = []
      for word in try map.required("what").list() {
        let name = try word.nonEmpty()
        guard known.contains(name) else {
          throw word.error(
            "expected an ability, service or limit such as frame.ecn_copy or limits.rules, found '\(name)'")
        }
        guard profile.citations[name] == nil else {
          throw word.error("'\(name)' is given with a source, so it is not undocumented")
        }
        names.append(name)
      }
      let note = try map.required("note").nonEmpty()
      try map.finish()
      profile.undocumented.append(.init(names: names, note: note))
    }
  }

  /// Every limit is given with its source or called undocumented: none is forgotten.
  private static func checkLimits(_ value: YAMLValue, _ profile: inout DeviceProfile) throws(YAMLError) {
    for limit in DeviceLimit.allCases where profile.citations[limit.citationName] == nil {
      if limit.isAboutGeneveOptions, !profile.abilities.match.contains(.geneveOptions) { continue }
      guard profile.undocumented.contains(where: { $0.names.contains(limit.citationName) }) else {
        throw value.error(
          "expected '\(limit.rawValue)' with a source here, or '\(limit.citationName)' in 'undocumented'")
      }
      profile.abilities.setUndocumented(limit)
    }
  }

  private static func readModels(_ value: YAMLValue, _ base: DeviceProfile) throws(YAMLError) -> [DeviceProfile] {
    var profiles: [DeviceProfile] = []
    for entry in try value.list() {
      var map = try entry.map()
      var profile = base
      let name = try map.required("name")
      profile.name = try name.nonEmpty()
      let plain = profile.name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
      guard plain else { throw name.error("expected letters, digits and '-', found '\(profile.name)'") }
      profile.model = try map.required("model").nonEmpty()
      profile.firmware = try map.required("firmware").nonEmpty()
      if let aliases = map.optional("aliases") {
        for alias in try aliases.list() { profile.aliases.append(try alias.nonEmpty()) }
      }
      try map.finish()
      profiles.append(profile)
    }
    guard !profiles.isEmpty else { throw value.error("expected one model or more, found none") }
    return profiles
  }
}

extension YAMLValue {
  /// Text that is not empty.
  func nonEmpty() throws(YAMLError) -> String {
    let text = try string()
    guard !text.isEmpty else { throw error("expected text, found nothing") }
    return text
  }
}
