"""What simsync gives to those who test their own strategies."""
