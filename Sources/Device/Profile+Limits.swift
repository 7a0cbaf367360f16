extension Abilities {
  /// The largest value that ``set(_:to:)`` takes for a limit.
  public static func largest(_ limit: DeviceLimit) -> Int {
    switch limit {
    case .rules, .groups, .priorities, .insertionsPerSecond: Int(UInt32.max)
    case .largestHeader: Int(UInt16.max)
    case .counterBits: 64
    case .insertionLatency, .counterInterval: 3_600_000_000_000
    case .geneveOptionsPerRule, .geneveOptionsPerDevice, .geneveOptionWords, .geneveWordsPerOption: 255
    case .geneveClassCostsWord, .geneveRefusesZeroData, .geneveRefusesZeroMask, .geneveRefusesRepeats: 1
    }
  }

  /// Sets a limit by name; switches take 0 and 1. Values out of range are clamped: readers of profiles look first.
  public mutating func set(_ limit: DeviceLimit, to value: Int) {
    switch limit {
    case .rules: rules = UInt32(clamping: value)
    case .groups: groups = UInt32(clamping: value)
    case .priorities: priorities = UInt32(clamping: value)
    case .largestHeader: largestHeader = UInt16(clamping: value)
    case .counterBits: counterBits = UInt8(clamping: value)
    case .insertionsPerSecond: insertionsPerSecond = UInt32(clamping: value)
    case .insertionLatency: insertionLatency = UInt64(clamping: value)
    case .counterInterval: counterInterval = UInt64(clamping: value)
    case .geneveOptionsPerRule: geneveOptions.perRule = UInt8(clamping: value)
    case .geneveOptionsPerDevice: geneveOptions.perDevice = UInt8(clamping: value)
    case .geneveOptionWords: geneveOptions.words = UInt8(clamping: value)
    case .geneveWordsPerOption: geneveOptions.wordsPerOption = UInt8(clamping: value)
    case .geneveClassCostsWord: geneveOptions.classCostsWord = value != 0
    case .geneveRefusesZeroData: geneveOptions.refusesZeroData = value != 0
    case .geneveRefusesZeroMask: geneveOptions.refusesZeroMask = value != 0
    case .geneveRefusesRepeats: geneveOptions.refusesRepeats = value != 0
    }
  }

  /// A limit by name, as ``set(_:to:)`` takes it.
  public func value(of limit: DeviceLimit) -> Int {
    switch limit {
    case .rules: Int(rules)
    case .groups: Int(groups)
    case .priorities: Int(priorities)
    case .largestHeader: Int(largestHeader)
    case .counterBits: Int(counterBits)
    case .insertionsPerSecond: Int(insertionsPerSecond)
    case .insertionLatency: Int(clamping: insertionLatency)
    case .counterInterval: Int(clamping: counterInterval)
    case .geneveOptionsPerRule: Int(geneveOptions.perRule)
    case .geneveOptionsPerDevice: Int(geneveOptions.perDevice)
    case .geneveOptionWords: Int(geneveOptions.words)
    case .geneveWordsPerOption: Int(geneveOptions.wordsPerOption)
    case .geneveClassCostsWord: geneveOptions.classCostsWord ? 1 : 0
    case .geneveRefusesZeroData: geneveOptions.refusesZeroData ? 1 : 0
    case .geneveRefusesZeroMask: geneveOptions.refusesZeroMask ? 1 : 0
    case .geneveRefusesRepeats: geneveOptions.refusesRepeats ? 1 : 0
    }
  }

  /// What an undocumented limit is set to: no limit that anybody knows of.
  public mutating func setUndocumented(_ limit: DeviceLimit) {
    switch limit {
    case .rules, .groups, .priorities, .largestHeader, .counterBits, .geneveOptionsPerRule:
      set(limit, to: Self.largest(limit))
    default: set(limit, to: 0)
    }
  }
}
