"""The passes, by FileCheck and by what kernels compute before and after."""
