import Classifier

/// The classifier's promises that take too long for the unit tests.
let classifierProperties = [
  Property(
    name: "classifier-model",
    promise: "a burst sees one version of the rules in every interleaving of reader and writer on small tables",
    cases: 100_000
  ) { _, cases in
    for name in ClassifierModel.names {
      let report = try ClassifierModel.explore(name, limit: cases)
      if let failure = report.failure { throw Counterexample(failure) }
      print("  \(name): \(report.runs) runs, \(report.states) states\(report.isComplete ? ", all of them" : "")")
    }
  }
]
