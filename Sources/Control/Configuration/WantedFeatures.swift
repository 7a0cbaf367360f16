import Device
public import Offload

extension Configuration {
  /// The features behind `wants`.
  ///
  /// - Throws: ``YAMLError`` for a word that is no feature.
  public func wantedFeatures() throws(YAMLError) -> [Want] {
    try wants.map { (word) throws(YAMLError) in
      guard let feature = Feature(named: word) else {
        throw YAMLError(
          file: file, line: 0, column: 0,
          message: "wants: '\(word)' is no feature (known: \(Feature.allNames.joined(separator: ", ")))")
      }
      return Want(feature)
    }
  }
}
