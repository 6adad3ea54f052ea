"""What others need to test their own components: contract suites, a crash harness, damaged files, broken disks."""
