public import Device

/// Abilities as an object: le64 match, actions, frame; u8 ×8 Geneve option limits; le32 rules, groups, priorities, insertions a
/// second; le16 largest header; u8 counter bits, zero; le64 insertion latency, counter interval.
public enum ProfileFormat {
  /// Bytes of abilities.
  public static let size = 68

  /// The bytes.
  public static func encode(_ abilities: Abilities) -> [UInt8] {
    var writer = ByteWriter()
    writer.put(abilities.match.rawValue)
    writer.put(abilities.actions.rawValue)
    writer.put(abilities.frame.rawValue)
    let options = abilities.geneveOptions
    writer.put(options.perRule)
    writer.put(options.perDevice)
    writer.put(options.words)
    writer.put(options.wordsPerOption)
    writer.put(options.classCostsWord)
    writer.put(options.refusesZeroData)
    writer.put(options.refusesZeroMask)
    writer.put(options.refusesRepeats)
    writer.put(abilities.rules)
    writer.put(abilities.groups)
    writer.put(abilities.priorities)
    writer.put(abilities.insertionsPerSecond)
    writer.put(abilities.largestHeader)
    writer.put(abilities.counterBits)
    writer.zeros(1)
    writer.put(abilities.insertionLatency)
    writer.put(abilities.counterInterval)
    return writer.bytes
  }

  /// Abilities of these bytes.
  ///
  /// - Throws: ``FormatError``.
  public static func decode(_ reader: inout ByteReader) throws(FormatError) -> Abilities {
    var abilities = Abilities()
    abilities.match = MatchAbilities(rawValue: try reader.take())
    abilities.actions = ActionAbilities(rawValue: try reader.take())
    abilities.frame = FrameAbilities(rawValue: try reader.take())
    abilities.geneveOptions.perRule = try reader.take()
    abilities.geneveOptions.perDevice = try reader.take()
    abilities.geneveOptions.words = try reader.take()
    abilities.geneveOptions.wordsPerOption = try reader.take()
    abilities.geneveOptions.classCostsWord = try reader.flag()
    abilities.geneveOptions.refusesZeroData = try reader.flag()
    abilities.geneveOptions.refusesZeroMask = try reader.flag()
    abilities.geneveOptions.refusesRepeats = try reader.flag()
    abilities.rules = try reader.take()
    abilities.groups = try reader.take()
    abilities.priorities = try reader.take()
    abilities.insertionsPerSecond = try reader.take()
    abilities.largestHeader = try reader.take()
    abilities.counterBits = try reader.take()
    try reader.zeros(1)
    abilities.insertionLatency = try reader.take()
    abilities.counterInterval = try reader.take()
    return abilities
  }
}
