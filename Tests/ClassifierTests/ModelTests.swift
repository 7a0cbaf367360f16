import Testing

@testable import Classifier

@Suite("The classifier's model")
struct ModelTests {
  @Test(
    "In many interleavings of a small table's reader and writer a burst sees one version of the rules",
    arguments: ClassifierModel.names)
  func interleavings(name: String) throws {
    let report = try ClassifierModel.explore(name, limit: 400)
    #expect(report.failure == nil)
    #expect(report.runs == 400)
  }
}
